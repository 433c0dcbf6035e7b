#include "trainer/scaling/registration.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/data/scratch_folder.h"

namespace sextant::trainer::registration_test {
namespace {

using data::expect_has;
using data::message_of;

class RegistrationTest : public ::testing::Test {
 protected:
  // Runs along L = 1.5 + 60 C^-0.12, every other one off by so much up or down.
  std::filesystem::path points(double off) {
    std::string text = "name,parameters,tokens,flops,loss\n";
    int sign = 1;
    for (double flops : {1e12, 4e12, 1.6e13, 6.4e13, 2e14}) {
      double loss = 1.5 + 60 * std::pow(flops, -0.12) + (sign = -sign) * off;
      text += fmt::format("r,{},{},{},{:.17g}\n", flops / 1e6, 1e6, flops, loss);
    }
    folder_.write("points.csv", text);
    return folder_ / "points.csv";
  }
  Registration predict(double off, int64_t now = 86400, ScalingForm form = ScalingForm::kLoss) {
    FitSettings settings;
    settings.form = form;
    settings.draws = 50;
    return predict_loss(points(off), {"big", {}, 5e8, 2e6, 1e15}, settings, "sextant x", now);
  }
  std::filesystem::path run() const { return folder_ / "run"; }
  data::ScratchFolder folder_;
};

TEST_F(RegistrationTest, ForetellsTheLawsNextPoint) {
  Registration made = predict(0);
  // 1e-4: a fit's end on points that lie on the law; the law itself has nothing to round.
  EXPECT_NEAR(made.loss, 1.5 + 60 * std::pow(1e15, -0.12), 1e-4);
  EXPECT_NEAR(made.fit[1].value, -0.12, 1e-3);
  EXPECT_EQ(made.registered_at, "1970-01-02T00:00:00Z");
  EXPECT_EQ(made.points, 5);
  EXPECT_TRUE(made.doubts.empty());
  ASSERT_TRUE(made.loss_95);
  EXPECT_LE(made.loss_95->low, made.loss_95->high);
}

TEST_F(RegistrationTest, TextSaysAllOfIt) {
  Registration made = predict(0.1);
  EXPECT_FALSE(made.doubts.empty()) << "runs lie 4 % off";
  Registration read = registration_of(to_json(made), "p.json");
  EXPECT_EQ(to_json(read), to_json(made));
  EXPECT_EQ(read.loss, made.loss);
  EXPECT_EQ(read.doubts, made.doubts);
  expect_has(message_of([&] { registration_of("{\"loss\": \"x\"}", "p.json"); }),
             "p.json: it is no prediction");
}

TEST_F(RegistrationTest, IsMadeOnceAndBeforeTheRun) {
  Registration first = predict(0.01, 1000);
  EXPECT_EQ(register_once(run(), first).registered_at, first.registered_at);
  Registration kept = register_once(run(), predict(0.01, 2000));
  EXPECT_EQ(to_json(kept), to_json(first)) << "the first one counts";
  expect_has(message_of([&] { register_once(run(), predict(0.02)); }), "a prediction is not replaced");
  std::filesystem::create_directories(folder_ / "begun");
  std::ofstream(folder_ / "begun" / "metrics.jsonl") << "{}\n";
  expect_has(message_of([&] { register_once(folder_ / "begun", first); }), "this run has begun");
}

TEST_F(RegistrationTest, IsAboutOneRun) {
  Registration made = predict(0);
  require_about(made, {"", {}, 5e8, 2e6, 1e15});
  expect_has(message_of([&] { require_about(made, {"", {}, 5e8, 2.5e6, 1e15}); }), "on 2000000 tokens");
}

TEST_F(RegistrationTest, WantsWhatTheLawWants) {
  expect_has(message_of([&] { predict(0, 1, ScalingForm::kChinchilla); }), "give 6 or more");
  expect_has(message_of([&] { predict(0, 1, ScalingForm::kKaplan); }), "non_embedding");
}

TEST_F(RegistrationTest, KaplansLawReadsParametersWithoutEmbeddings) {
  auto law = [](double n, double d) { return std::pow(std::pow(3e6 / n, 0.5) + 4e7 / d, 0.2); };
  std::string text = "name,parameters,non_embedding,tokens,flops,loss\n";
  for (double n : {1e3, 4e3, 2e4}) {
    for (double d : {1e5, 1e6}) text += fmt::format("r,{},{},{},1,{:.17g}\n", n + 3e4, n, d, law(n, d));
  }
  folder_.write("both.csv", text);
  LadderRun target{"big", {}, 1.5e5, 5e6, 1e15, 1e5};
  FitSettings settings;
  settings.form = ScalingForm::kKaplan;
  settings.draws = 0;
  Registration made = predict_loss(folder_ / "both.csv", target, settings, "sextant x", 86400);
  EXPECT_NEAR(made.loss, law(1e5, 5e6), 1e-4);
  EXPECT_EQ(made.parameters, 1.5e5);
}

}  // namespace
}  // namespace sextant::trainer::registration_test
