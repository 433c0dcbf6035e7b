// Rules and the composition of rewards by hand; what is wrong in a rubric is told when it is opened.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "parallel/base/error.h"
#include "rlhf/rewards.h"
#include "rlhf/rubric.h"
#include "tests/harness/checkout.h"
#include "trainer/config/load.h"

namespace sextant::rlhf::rubric_test {
namespace {

Episode episode(const std::string& text, const std::string& kind = "") {
  Episode made;
  made.set_response_text(text);
  made.set_prompt_class(kind);
  made.set_ended(true);
  return made;
}

Rubric rubric(const std::string& yaml) {
  Rubric made;
  trainer::load_config_text(yaml, "rubric.yaml", {}, made, nullptr);
  return made;
}

double scored(const std::string& yaml, Episode answer) {
  RubricScorer scorer(rubric("rules: [{name: x, " + yaml + "}]"), "rubric.yaml", at::kCPU);
  scorer.score({&answer, 1});
  return answer.scores_size() == 0 ? 99 : answer.scores(0).value();
}

TEST(Rules, HoldWhereTheySay) {
  EXPECT_EQ(scored("kind: regex, pattern: '^[A-Z].*[.]$'", episode("A cat.")), 1);
  EXPECT_EQ(scored("kind: regex, pattern: '^[A-Z].*[.]$', otherwise: -2", episode("a cat")), -2);
  EXPECT_EQ(scored("kind: words, least: 2, most: 3", episode("  one two\nthree ")), 1);
  EXPECT_EQ(scored("kind: words, least: 2, most: 3", episode("one")), 0);
  EXPECT_EQ(scored("kind: characters, most: 3", episode("äöü")), 1);
  EXPECT_EQ(scored("kind: characters, most: 3", episode("äöü!")), 0);
  EXPECT_EQ(scored("kind: characters, most: 2", episode("\xff\xfe")), 1);
  EXPECT_EQ(scored("kind: phrase, phrases: [I can't]", episode("Sorry, i CAN'T do it")), 1);
  EXPECT_EQ(scored("kind: ended, reward: 3", episode("x")), 3);
  Episode asked = episode(" 42\n");
  asked.set_answer("42");
  EXPECT_EQ(scored("kind: exact", asked), 1);
  asked.set_answer("43");
  EXPECT_EQ(scored("kind: exact", asked), 0);
}

TEST(Rules, ApplyToTheirClassesAlone) {
  EXPECT_EQ(scored("kind: ended, classes: [a, b]", episode("x", "b")), 1);
  EXPECT_EQ(scored("kind: ended, classes: [a, b]", episode("x", "c")), 99);
}

TEST(Questions, BecomeRewards) {
  Question question;
  for (double reward : {1.0, -1.0, 0.5}) question.add_options()->set_reward(reward);
  EXPECT_DOUBLE_EQ(judged(question, {0.2, 0.3, 0.5}).reward, 0.2 - 0.3 + 0.25);
  question.set_choice(Question::hard);
  EXPECT_DOUBLE_EQ(judged(question, {0.2, 0.3, 0.5}).reward, 0.5);
  EXPECT_EQ(judged(question, {0.2, 0.3, 0.5}).option, 2u);
  question.set_unsure_below(0.6);
  question.set_unsure_reward(-3);
  EXPECT_DOUBLE_EQ(judged(question, {0.2, 0.3, 0.5}).reward, -3);
  EXPECT_FALSE(judged(question, {0.2, 0.3, 0.5}).sure);
}

TEST(Rubrics, AreRefusedAtTheStart) {
  auto open = [](const std::string& yaml) { RubricScorer(rubric(yaml), "rubric.yaml", at::kCPU); };
  EXPECT_THROW(open("cap: 1"), Error);
  EXPECT_THROW(open("rules: [{name: x, kind: ended}, {name: x, kind: exact}]"), Error);
  EXPECT_THROW(open("rules: [{name: model, kind: ended}]"), Error);
  EXPECT_THROW(open("rules: [{name: x, kind: regex}]"), Error);
  EXPECT_THROW(open("rules: [{name: x, kind: regex, pattern: '('}]"), Error);
  EXPECT_THROW(open("rules: [{name: x, kind: words, least: 3, most: 2}]"), Error);
  EXPECT_THROW(open("propositions: [{name: x, text: Is it?, weight: 1}]"), Error) << "no judge";
  EXPECT_THROW(open("rules: [{name: x, kind: regexp}]"), Error);
}

// A rubric of the checkout; of one with a judge, which is not here, the rules alone.
Rubric rules_of(const std::filesystem::path& file) {
  Rubric rubric;
  trainer::load_config(file, {}, rubric, nullptr);
  rubric.clear_judge();
  rubric.clear_questions();
  rubric.clear_propositions();
  return rubric;
}

TEST(Rubrics, ThatShipOpen) {
  for (const auto& entry : std::filesystem::directory_iterator(harness::checkout() / "configs/rubrics")) {
    EXPECT_FALSE(RubricScorer(rules_of(entry.path()), entry.path().string(), at::kCPU).sources().empty())
        << entry.path();
  }
  std::string file = (harness::checkout() / "configs/rubrics/quickstart.yaml").string();
  RubricScorer scorer(rules_of(file), file, at::kCPU);
  Episode refusal = episode("I can't help with that, because it is a crime.", "disallowed");
  scorer.score({&refusal, 1});
  double sum = 0;
  for (const auto& score : refusal.scores()) sum += score.value();
  EXPECT_DOUBLE_EQ(sum, 2.75);
}

TEST(Rewards, AddUpWithWeightsAndCaps) {
  RewardSources rewards;
  rewards.set_model_weight(0.5);
  rewards.set_model_cap(4);
  Episode answer = episode("x");
  for (double value : {2.0, 1.5}) answer.add_scores()->set_value(value);
  Episode uncapped = answer, cut = answer;
  compose_rewards(rewards, 0, 3.0, uncapped);
  EXPECT_DOUBLE_EQ(uncapped.score(), 3.5 + 1.5);
  cut.set_ended(false);
  compose_rewards(rewards, 3, -9.0, cut);
  EXPECT_DOUBLE_EQ(cut.score(), 3 - 2 - 1);
  EXPECT_EQ(cut.scores(2).source(), "model");
  EXPECT_EQ(cut.scores(3).source(), "missing_end");
  rewards.add_model_classes("other");
  compose_rewards(rewards, 0, 3.0, answer);
  EXPECT_DOUBLE_EQ(answer.score(), 3.5) << "the model does not score this class";
}

TEST(Rewards, ThatAreNotFiniteAreNamed) {
  Episode answer = episode("x");
  answer.add_scores()->set_source("odd");
  answer.mutable_scores(0)->set_value(std::numeric_limits<double>::quiet_NaN());
  try {
    compose_rewards({}, 0, std::nullopt, answer);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'odd'"), std::string::npos);
  }
}

}  // namespace
}  // namespace sextant::rlhf::rubric_test
