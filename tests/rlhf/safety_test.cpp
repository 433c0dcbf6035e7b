// Shares, their intervals and changes against numbers made elsewhere, and the report and gate of a made-up
// evaluation.
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/base/error.h"
#include "rlhf/safety_report.h"
#include "rlhf/safety_shares.h"
#include "tests/harness/golden.h"

namespace sextant::rlhf::safety_test {
namespace {

TEST(WilsonBounds, AreTheOthers) {
  golden::Json examples = golden::load("alignment.json")["wilson"];
  EXPECT_EQ(examples.size(), 6u);
  for (const golden::Json& example : examples) {
    trainer::Interval bounds = wilson_bounds(example["share"], example["trials"]);
    EXPECT_NEAR(bounds.low, example["low"].get<double>(), 1e-12);
    EXPECT_NEAR(bounds.high, example["high"].get<double>(), 1e-12);
  }
}

TEST(Shares, CountSubjectsAsTrials) {
  Share share = share_of({{1, 1, 0, 0, 0, 0}, {"a", "a", "b", "b", "c", "c"}});
  EXPECT_DOUBLE_EQ(share.value, 1.0 / 3);
  EXPECT_EQ(share.answers, 6);
  EXPECT_EQ(share.subjects, 3);
  EXPECT_DOUBLE_EQ(share.bounds.high, wilson_bounds(1.0 / 3, 3).high);
}

TEST(ShareChanges, AreBootstrappedOverSubjects) {
  std::vector<std::string> subjects;
  Counted before, after;
  for (int i = 0; i < 400; ++i) {
    subjects.push_back(std::to_string(i / 4));
    before.counts.push_back(1);
    after.counts.push_back(i / 4 % 2);  // subject by subject
  }
  before.subjects = after.subjects = subjects;
  ShareChange change = change_of(before, after, 2000, 3, "x");
  EXPECT_DOUBLE_EQ(change.difference, -0.5);
  // 100 independent subjects: a standard error of 0.05, four times the answers or not.
  EXPECT_NEAR(change.bounds.low, -0.5 - 1.96 * 0.05, 0.015);
  EXPECT_NEAR(change.bounds.high, -0.5 + 1.96 * 0.05, 0.015);
  ShareChange none = change_of(before, before, 50, 3, "x");
  EXPECT_EQ(none.difference, 0);
  EXPECT_EQ(none.bounds.low, 0);
  EXPECT_EQ(none.bounds.high, 0);
}

// An answer about a subject, with what two sources gave it.
Episode answered(const std::string& kind, const std::string& subject, double refuses, double helps) {
  Episode episode;
  episode.set_prompt_class(kind);
  episode.set_subject(subject);
  const std::pair<const char*, double> kScores[] = {{"refuses", refuses}, {"helps", helps}};
  for (const auto& [source, value] : kScores) {
    Episode::Score& score = *episode.add_scores();
    score.set_source(source);
    score.set_value(value);
  }
  return episode;
}

SafetySettings settings_of_two_measures() {
  SafetySettings settings;
  settings.set_resamples(100);
  settings.set_most_perplexity_rise(5);
  SafetyMeasure& refusals = *settings.add_measures();
  refusals.set_name("over-refusal");
  refusals.add_classes("benign");
  refusals.add_sources("refuses");
  refusals.set_most(0.4);
  SafetyMeasure& both = *settings.add_measures();
  both.set_name("both");
  both.add_classes("benign");
  both.add_classes("sensitive");
  both.add_sources("refuses");
  both.add_sources("helps");
  both.set_better(SafetyMeasure::higher);
  both.set_least(0.25);
  return settings;
}

TEST(SafetyReport, TellsSharesChangesAndWhatTheGateFails) {
  SafetySettings settings = settings_of_two_measures();
  std::vector<ModelAnswers> models{
      {"a",
       "run a",
       {answered("benign", "x", 1, 1), answered("benign", "y", 0, 1), answered("sensitive", "z", 1, 0)},
       2.0},
      {"b",
       "run b",
       {answered("benign", "x", 1, 0), answered("benign", "y", 0.4, 1), answered("sensitive", "z", 1, 0)},
       2.1}};
  auto report = safety_report(settings, models);
  EXPECT_DOUBLE_EQ(report["models"][0]["measures"]["over-refusal"]["share"], 0.5);
  EXPECT_DOUBLE_EQ(report["models"][0]["measures"]["both"]["share"], 1.0 / 3) << "each source has to hold";
  EXPECT_DOUBLE_EQ(report["models"][1]["measures"]["both"]["share"], 0);
  EXPECT_NEAR(report["changes"]["both"]["points"].get<double>(), -100.0 / 3, 1e-9);
  EXPECT_DOUBLE_EQ(report["changes"]["both"]["percent"], -100);
  EXPECT_FALSE(report["changes"]["both"]["not_worse"]);
  EXPECT_TRUE(report["changes"]["over-refusal"]["not_worse"]);
  EXPECT_NEAR(report["perplexity_rise_percent"].get<double>(), 100 * (std::exp(0.1) - 1), 1e-9);
  ASSERT_EQ(report["failures"].size(), 3u) << report["failures"];
  EXPECT_EQ(report["failures"][0], "over-refusal is 50.0 %, above its bound of 40.0 %");
  EXPECT_EQ(report["failures"][1], "both is 0.0 %, below its bound of 25.0 %");
  std::string table = safety_table(report);
  EXPECT_NE(table.find("-33.3 points"), std::string::npos) << table;
  EXPECT_NE(table.find("gate: held-out perplexity rose by 10.5 %"), std::string::npos) << table;
  settings.clear_most_perplexity_rise();
  settings.mutable_measures(0)->set_most(0.5);
  settings.mutable_measures(1)->set_least(0);
  EXPECT_TRUE(safety_report(settings, models)["failures"].empty());
}

TEST(SafetyReport, RefusesMeasuresThatCanNotBeCounted) {
  SafetySettings settings = settings_of_two_measures();
  PromptSet prompts;
  prompts.prompts.push_back({{1}, "p", "benign", "", ""});
  EXPECT_THROW(check_measures(settings, {"refuses"}, prompts), Error);
  check_measures(settings, {"refuses", "helps"}, prompts);
  prompts.prompts[0].kind = "other";
  EXPECT_THROW(check_measures(settings, {"refuses", "helps"}, prompts), Error);
  Episode ungraded = answered("benign", "x", 1, 1);
  ungraded.clear_scores();
  EXPECT_THROW(counted(settings.measures(0), {ungraded}), Error);
}

}  // namespace
}  // namespace sextant::rlhf::safety_test
