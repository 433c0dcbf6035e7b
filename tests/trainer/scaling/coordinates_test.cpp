// With muP the changes of activations do not grow with the width; without it they do.
#include "trainer/scaling/coordinates.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"
#include "trainer/config/rules.h"
#include "trainer/scaling/coordinate_plot.h"

namespace sextant::trainer::coordinates_test {
namespace {

Run small_run(OptimizerSettings::Kind kind, int base_width) {
  Run run;
  run.mutable_run()->set_seed(5);
  ModelSettings& model = *run.mutable_model();
  model.set_layers(3);
  model.set_width(64);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(128);
  model.set_context(16);
  model.mutable_mup()->set_base_width(base_width);
  model.mutable_mup()->set_base_head_width(16);
  run.mutable_optimizer()->set_kind(kind);
  run.mutable_optimizer()->set_learning_rate(4e-3);
  fill_defaults(run, 64);
  return run;
}

std::vector<Coordinate> measured(OptimizerSettings::Kind kind, int base_width) {
  return coordinates(small_run(kind, base_width), {{64, 128, 256, 512}, 3, 4});
}

// Powers of the width. Measured: see docs/optimizers.md; a random batch leaves some room either side.
TEST(Coordinates, AreFlatWithMupAndGrowWithout) {
  auto with = measured(OptimizerSettings::adamw, 64), without = measured(OptimizerSettings::adamw, 0);
  for (const char* place : {"blocks.0", "blocks.1", "logits"}) {
    EXPECT_LT(std::abs(growth(with, place, 3)), 0.2) << place;
    EXPECT_GT(growth(without, place, 3), 0.4) << place;
  }
}

TEST(Coordinates, AreFlatUnderEveryRule) {
  for (auto kind : {OptimizerSettings::muon, OptimizerSettings::adafactor}) {
    auto with = measured(kind, 64);
    for (const char* place : {"blocks.0", "blocks.1", "logits"}) {
      EXPECT_LT(std::abs(growth(with, place, 3)), 0.25) << OptimizerSettings::Kind_Name(kind) << " " << place;
    }
  }
}

TEST(Coordinates, ModelsGrowInProportion) {
  ModelSettings model = small_run(OptimizerSettings::adamw, 0).model();
  ModelSettings wide = at_width(model, 128);
  EXPECT_EQ(wide.heads(), 8);
  EXPECT_EQ(wide.kv_heads(), 4);
  EXPECT_EQ(wide.ffn_width(), 256);
  EXPECT_EQ(wide.head_width(), 16);
  try {
    at_width(model, 80);
    FAIL() << "80 is refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_NE(std::string(error.what()).find("model.kv_heads"), std::string::npos) << error.what();
  }
}

TEST(Coordinates, AreWrittenAsTableCsvAndSvg) {
  std::vector<Coordinate> found = {{64, 0, "logits", 1.0, 0.0},
                                   {64, 1, "logits", 1.5, 0.5},
                                   {128, 0, "logits", 1.0, 0.0},
                                   {128, 1, "logits", 2.0, 1.0}};
  EXPECT_NEAR(growth(found, "logits", 1), 1.0, 1e-12);
  EXPECT_EQ(coordinates_csv(found).substr(0, 52), "width,updates,place,size,change\n64,0,logits,1,0\n64,1");
  std::string svg = coordinates_svg(found, "a <b>");
  EXPECT_NE(svg.find("a &lt;b>"), std::string::npos);
  EXPECT_NE(svg.find("width^1.00"), std::string::npos);
  EXPECT_NE(svg.find("<polyline points=\"48.0,308.0 308.0,48.0 \""), std::string::npos) << svg;
  EXPECT_NE(coordinates_table(found).find("width^1.00"), std::string::npos);
}

}  // namespace
}  // namespace sextant::trainer::coordinates_test
