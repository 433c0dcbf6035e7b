#include "rlhf/startup_checks.h"

#include <gtest/gtest.h>

#include "tests/data/scratch_folder.h"

namespace sextant::rlhf::startup_checks_test {
namespace {

using data::expect_has;
using data::message_of;
using trainer::NumericsSettings;

// Two answers of four tokens that end, of scores 0 and 1; policy and reference agree.
std::vector<Episode> episodes(double furthest, double mean) {
  std::vector<Episode> made(2);
  for (size_t i = 0; i < made.size(); ++i) {
    for (int t = 0; t < 4; ++t) {
      made[i].add_response(t);
      made[i].add_log_probabilities(-1);
      made[i].add_reference_log_probabilities(-1);
    }
    made[i].set_ended(true);
    made[i].set_score(static_cast<double>(i));
    made[i].set_sampling_gap(furthest);
    made[i].set_mean_sampling_gap(mean);
  }
  return made;
}

TEST(StartupChecks, SamplingAndTrainingAgreeAtEveryTokenInFp32) {
  EXPECT_TRUE(check_first_episodes(episodes(9e-4, 1e-4), NumericsSettings::fp32, 1).empty());
  expect_has(message_of([] { check_first_episodes(episodes(2e-3, 1e-4), NumericsSettings::fp32, 1); }),
             "differ by 0.002 nats at a token");
}

TEST(StartupChecks, SamplingAndTrainingAgreeOnAverageInBf16) {
  EXPECT_TRUE(check_first_episodes(episodes(0.4, 0.04), NumericsSettings::bf16, 1).empty());
  expect_has(message_of([] { check_first_episodes(episodes(0.4, 0.12), NumericsSettings::bf16, 1); }),
             "differ by 0.12 nats a token on average");
}

TEST(StartupChecks, TheReferenceIsThePolicy) {
  std::vector<Episode> other = episodes(0, 0);
  other[1].set_reference_log_probabilities(2, -1.5);
  expect_has(message_of([&] { check_first_episodes(other, NumericsSettings::fp32, 1); }),
             "not the same model");
}

TEST(StartupChecks, TellsOfAnswersThatNeverEndAndRefusesEqualScores) {
  std::vector<Episode> endless = episodes(0, 0);
  for (Episode& episode : endless) episode.set_ended(false);
  std::vector<std::string> told = check_first_episodes(endless, NumericsSettings::fp32, 1);
  ASSERT_EQ(told.size(), 1u);
  expect_has(told[0], "none of 2 answers came to its end");
  std::vector<Episode> equal = episodes(0, 0);
  equal[0].set_score(1);
  expect_has(message_of([&] { check_first_episodes(equal, NumericsSettings::fp32, 1); }), "equal scores");
}

}  // namespace
}  // namespace sextant::rlhf::startup_checks_test
