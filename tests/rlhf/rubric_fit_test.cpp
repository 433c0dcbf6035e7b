// Fitting a rubric's rewards: the descent against another implementation, features and weights by hand.
#include <gtest/gtest.h>

#include "rlhf/hinge_fit.h"
#include "rlhf/rubric_features.h"
#include "tests/harness/golden.h"
#include "trainer/config/load.h"

namespace sextant::rlhf::rubric_fit_test {
namespace {

TEST(HingeFit, IsTheOthers) {
  golden::Json example = golden::load("alignment.json")["hinge"];
  RubricFitSettings settings;
  settings.set_steps(example["steps"]);
  settings.set_learning_rate(example["learning_rate"]);
  settings.set_weight_decay(example["weight_decay"]);
  settings.set_margin(example["margin"]);
  ComparedFeatures prompts;
  for (size_t i = 0; i < example["better"].size(); ++i) {
    prompts.push_back({{example["worse"][i].get<std::vector<double>>(), 0, 2},
                       {example["better"][i].get<std::vector<double>>(), example["base"][i], 1}});
  }
  std::vector<double> weights = fit_hinge(prompts, settings);
  auto wanted = example["weights"].get<std::vector<double>>();
  ASSERT_EQ(weights.size(), wanted.size());
  // fp64 against 60 digits over 60 steps.
  for (size_t f = 0; f < weights.size(); ++f) EXPECT_NEAR(weights[f], wanted[f], 1e-10);
  EXPECT_NEAR(hinge_report(prompts, weights, settings.margin()).loss, example["loss"].get<double>(), 1e-10);
}

TEST(HingeFit, CountsEveryPairOfAPrompt) {
  // Ranks 1, 2, 2 and 3: five pairs; totals 5, 1, 1, 4.
  ComparedFeatures prompts{{{{1}, 4, 1}, {{1}, 0, 2}, {{0}, 1, 2}, {{0}, 4, 3}}};
  HingeReport report = hinge_report(prompts, {1}, 1);
  EXPECT_EQ(report.pairs, 5);
  EXPECT_DOUBLE_EQ(report.accuracy, 3.0 / 5);
  EXPECT_DOUBLE_EQ(report.loss, (0 + 0 + 0 + 4 + 4) / 5.0);
}

TEST(RubricFeatures, AreWhatTheSourcesSeeAndTakeTheirWeights) {
  Rubric rubric;
  trainer::load_config_text(
      "rules:\n"
      "  - {name: short, kind: words, most: 2, reward: 3, otherwise: -1}\n"
      "  - {name: polite, kind: phrase, phrases: [please], reward: 0.5, classes: [a]}\n",
      "rubric.yaml", {}, rubric, nullptr);
  RubricFeatures features(rubric, "rubric.yaml", at::kCPU);
  EXPECT_EQ(features.names(), (std::vector<std::string>{"short", "polite"}));
  EXPECT_EQ(features.worth(), (std::vector<double>{4, 0.5}));
  Episode episode;
  episode.set_response_text("please wait");
  episode.set_prompt_class("a");
  EXPECT_EQ(features.of({episode})[0], (std::vector<double>{1, 1}));
  episode.set_prompt_class("b");
  EXPECT_EQ(features.of({episode})[0], (std::vector<double>{1, 0}));
  Rubric fitted = features.with({2, -1});
  RubricScorer scorer(fitted, "fitted.yaml", at::kCPU);
  episode.set_response_text("please do wait a while");
  episode.set_prompt_class("a");
  scorer.score({&episode, 1});
  ASSERT_EQ(episode.scores_size(), 2);
  EXPECT_EQ(episode.scores(0).value(), 0);
  EXPECT_EQ(episode.scores(1).value(), -1);
}

}  // namespace
}  // namespace sextant::rlhf::rubric_fit_test
