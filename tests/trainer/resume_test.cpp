#include "trainer/resume.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/guard.h"

namespace sextant::trainer::resume_test {
namespace {

Manifest saved_with(const Run& config) {
  Manifest manifest;
  manifest.set_step(10);
  manifest.set_data_fingerprint(1);
  manifest.set_tokenizer_fingerprint(2);
  *manifest.mutable_config() = config;
  return manifest;
}

Run some_run() {
  Run run;
  run.mutable_run()->set_seed(7);
  run.mutable_model()->set_layers(4);
  run.mutable_optimizer()->set_learning_rate(1e-3);
  run.mutable_data()->add_train()->set_prefix("here");
  return run;
}

std::string refusal(const Manifest& manifest, const Run& config, uint64_t data = 1, uint64_t tokenizer = 2) {
  try {
    check_resume(manifest, config, data, tokenizer);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "";
}

TEST(Resume, EqualSettingsGoOn) {
  EXPECT_TRUE(check_resume(saved_with(some_run()), some_run(), 1, 2).changed.empty());
}

TEST(Resume, WhatMakesAnotherTrainingIsRefusedAllAtOnce) {
  trainer::Run other = some_run();
  other.mutable_run()->set_seed(8);
  other.mutable_model()->set_layers(5);
  std::string message = refusal(saved_with(some_run()), other);
  EXPECT_NE(message.find("run.seed: 7 -> 8"), std::string::npos) << message;
  EXPECT_NE(message.find("model.layers: 4 -> 5"), std::string::npos) << message;
  EXPECT_NE(message.find("run.folder"), std::string::npos) << "the remedy";
}

TEST(Resume, OtherDataOrTokenizerIsRefused) {
  EXPECT_NE(refusal(saved_with(some_run()), some_run(), 9, 2).find("the data: the shards or files"),
            std::string::npos);
  EXPECT_NE(refusal(saved_with(some_run()), some_run(), 1, 9).find("data.tokenizer"), std::string::npos);
}

TEST(Resume, ScheduleAndLayoutMayChangeAndAreReported) {
  trainer::Run other = some_run();
  other.mutable_optimizer()->set_learning_rate(5e-4);
  other.mutable_run()->set_steps(2000);
  other.mutable_parallel()->set_data(4);
  other.mutable_parallel()->set_schedule(parallel::MeshSettings::gpipe);
  auto changed = check_resume(saved_with(some_run()), other, 1, 2).changed;
  ASSERT_EQ(changed.size(), 4u);
  EXPECT_EQ(changed[2], "parallel.schedule: 1f1b -> gpipe") << "as a YAML names them";
  EXPECT_EQ(changed[3], "optimizer.learning_rate: 0.001 -> 0.0005");
}

TEST(Resume, MovedFilesAreNoChange) {
  trainer::Run other = some_run();
  other.mutable_data()->mutable_train(0)->set_prefix("elsewhere");
  other.mutable_run()->set_stop_at(5);
  EXPECT_TRUE(check_resume(saved_with(some_run()), other, 1, 2).changed.empty());
}

TEST(Guard, AllowsSomeAndForgivesAfterAGoodStep) {
  Guard guard(2, 0);
  guard.observe(Step(1), false, 0, 0);
  guard.observe(Step(2), false, 0, 0);
  guard.observe(Step(3), true, 0, 0);
  EXPECT_EQ(guard.in_a_row(), 0);
  guard.observe(Step(4), false, 0, 0);
  guard.observe(Step(5), false, 0, 0);
  EXPECT_THROW(guard.observe(Step(6), false, 0, 0), Error);
}

TEST(Guard, GoesOnCountingAfterAResume) {
  Guard guard(2, 2);
  EXPECT_THROW(guard.observe(Step(11), false, 0, 0), Error);
}

}  // namespace
}  // namespace sextant::trainer::resume_test
