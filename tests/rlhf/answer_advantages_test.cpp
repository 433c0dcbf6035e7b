// Which advantages a step's answers get, by hand.
#include "rlhf/answer_advantages.h"

#include <gtest/gtest.h>

#include "rlhf/advantage.h"

namespace sextant::rlhf::answer_advantages_test {
namespace {

// Answers of two tokens, the second of which the policy has come to like by `moved` nats.
std::vector<Episode> scored(const std::vector<double>& scores, double moved) {
  std::vector<Episode> episodes(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    for (int t = 0; t < 2; ++t) {
      episodes[i].add_response(t);
      episodes[i].add_values(0.5);
      episodes[i].add_log_probabilities(-1);
      episodes[i].add_reference_log_probabilities(t == 1 && i == 0 ? -1 - moved : -1);
    }
    episodes[i].set_score(scores[i]);
  }
  return episodes;
}

PpoSettings settings_of(PpoSettings::Advantages advantages, int64_t group) {
  PpoSettings settings;
  settings.set_advantages(advantages);
  settings.set_answers_per_prompt(group);
  return settings;
}

TEST(AnswerAdvantages, AreOneNumberAnAnswerInsideItsGroup) {
  auto episodes = scored({3, 1, 0, 8}, 0);
  add_advantages(settings_of(PpoSettings::group_mean, 2), 0.1, episodes);
  const double kWant[] = {1, -1, -4, 4};
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(episodes[i].advantages_size(), 2);
    EXPECT_DOUBLE_EQ(episodes[i].advantages(0), kWant[i]);
    EXPECT_DOUBLE_EQ(episodes[i].advantages(1), kWant[i]);
    EXPECT_EQ(episodes[i].returns_size(), 0);
  }
  add_advantages(settings_of(PpoSettings::leave_one_out, 4), 0.1, episodes);
  EXPECT_DOUBLE_EQ(episodes[3].advantages(0), 8 - 4.0 / 3);
  add_advantages(settings_of(PpoSettings::group, 4), 0.1, episodes);
  EXPECT_DOUBLE_EQ(episodes[1].advantages(1), group_relative_advantages({3, 1, 0, 8}, 4)[1]);
}

TEST(AnswerAdvantages, CountTheDivergenceWhereItIsTakenFromTheReward) {
  PpoSettings settings = settings_of(PpoSettings::group_mean, 2);
  auto episodes = scored({3, 1}, 4);
  add_advantages(settings, 0.1, episodes);  // 3 - 0.1 * 4 against 1
  EXPECT_DOUBLE_EQ(episodes[0].advantages(0), 0.8);
  settings.mutable_kl()->set_place(KlSettings::loss);
  add_advantages(settings, 0.1, episodes);
  EXPECT_DOUBLE_EQ(episodes[0].advantages(0), 1);
  settings = settings_of(PpoSettings::generalised, 1);
  settings.set_whiten_advantages(false);
  settings.set_lambda(1);
  add_advantages(settings, 0.1, episodes);
  EXPECT_DOUBLE_EQ(episodes[0].advantages(1), 3 - 0.1 * 4 - 0.5);
  EXPECT_DOUBLE_EQ(episodes[0].returns(0), 3 - 0.1 * 4);
}

TEST(AnswerAdvantages, EqualGroupsAreCounted) {
  EXPECT_DOUBLE_EQ(equal_groups(settings_of(PpoSettings::group, 2), scored({1, 1, 0, 1, 2, 2}, 0)), 2.0 / 3);
  EXPECT_DOUBLE_EQ(equal_groups(settings_of(PpoSettings::group, 3), scored({1, 1, 0, 1, 2, 2}, 0)), 0);
}

}  // namespace
}  // namespace sextant::rlhf::answer_advantages_test
