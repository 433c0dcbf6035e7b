#include "trainer/scaling/rung_record.h"

#include <gtest/gtest.h>

#include "tests/data/scratch_folder.h"
#include "tests/trainer/config/config_text.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer::rung_record_test {
namespace {

TEST(RungRecord, ReadsTheLossOfThatStepAlone) {
  data::ScratchFolder folder;
  EXPECT_FALSE(held_out_loss_at(folder / ".", 100));
  folder.write("metrics.jsonl", "{\"step\": 50, \"valid_loss\": 9.5}\n{\"step\": 100, \"loss\": 2}\n");
  EXPECT_FALSE(held_out_loss_at(folder / ".", 100));
  folder.write(
      "metrics.jsonl",
      "{\"step\": 100, \"valid_loss\": 1.25}\n{\"step\": 150, \"valid_loss\": 1}\n{\"step\": 100, \"val");
  EXPECT_EQ(held_out_loss_at(folder / ".", 100), 1.25);
}

TEST(RungRecord, KnowsAnotherRunByWhatDecidesItsLoss) {
  data::ScratchFolder folder;
  trainer::Run run = run_of(with_needed("run: {steps: 100, log_every: 5}\n"));
  run.mutable_run()->set_folder((folder / ".").string());
  fill_defaults(run, 320);
  require_same_run(run);  // nothing is there yet
  folder.write("config.yaml", to_yaml(run));
  require_same_run(run);
  run.mutable_run()->set_log_every(7);
  run.mutable_parallel()->set_tensor(2);
  require_same_run(run);
  run.mutable_run()->set_steps(200);
  run.mutable_optimizer()->set_learning_rate(1e-9);
  std::string message = data::message_of([&] { require_same_run(run); });
  data::expect_has(message, "run.steps: 100 -> 200");
  data::expect_has(message, "optimizer.learning_rate");
  EXPECT_EQ(message.find("log_every"), std::string::npos);
}

}  // namespace
}  // namespace sextant::trainer::rung_record_test
