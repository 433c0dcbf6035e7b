#include "trainer/evaluation/generation_match.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"
#include "tests/harness/golden.h"

namespace sextant::trainer::generation_match_test {
namespace {

EvalTask gsm8k() {
  EvalTask task;
  task.set_kind(EvalTask::generation);
  AnswerPattern* strict = task.add_answers();
  strict->set_name("strict-match");
  strict->set_pattern("#### (\\-?[0-9\\.\\,]+)");
  AnswerPattern* flexible = task.add_answers();
  flexible->set_name("flexible-extract");
  flexible->set_pattern("(-?[$0-9.,]{2,})|(-?[0-9]+)");
  flexible->set_pick(AnswerPattern::last);
  for (const char* pattern : {",", "\\$", "(?s).*#### ", "\\.$"}) task.add_ignore(pattern);
  task.set_ignore_case(true);
  return task;
}

TEST(GenerationMatch, AnswersOfGsm8kArePythonsRe) {
  EvalTask task = gsm8k();
  CompletionGrader grader(task);
  auto file = golden::load("evaluation.json");  // not in the loop: its temporaries would be gone
  ASSERT_GT(file["answers"].size(), 5u);
  for (const auto& item : file["answers"]) {
    auto completion = item["completion"].get<std::string>();
    auto answers = grader.answers(completion);
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].first, "exact_match,strict-match");
    EXPECT_EQ(answers[0].second, item["strict"].get<std::string>()) << completion;
    EXPECT_EQ(answers[1].second, item["flexible"].get<std::string>()) << completion;
    // An answer is right when it is what is left of it: the target is cleaned in the same way.
    auto grades = grader.grade(completion, {"steps\n#### " + item["strict_clean"].get<std::string>()});
    EXPECT_EQ(grades[0].second, 1) << completion;
    EXPECT_EQ(grader.grade(completion, {"#### " + item["flexible_clean"].get<std::string>()})[1].second, 1)
        << completion;
    EXPECT_EQ(grader.grade(completion, {"#### 99"})[1].second, 0) << completion;
  }
}

TEST(GenerationMatch, WholeCompletionsMatchExactly) {
  EvalTask task;
  CompletionGrader grader(task);
  EXPECT_EQ(grader.grade("Paris", {"London", "Paris"})[0],
            (std::pair<std::string, double>{"exact_match", 1}));
  EXPECT_EQ(grader.grade("Paris.", {"Paris"})[0].second, 0);
}

TEST(GenerationMatch, MatchAndIncludesAreOpenAiEvals) {
  EvalTask task;
  task.set_grading(EvalTask::match);
  EXPECT_EQ(CompletionGrader(task).grade("Paris, France", {"Rome", "Paris"})[0].second, 1);
  EXPECT_EQ(CompletionGrader(task).grade(" Paris", {"Paris"})[0].second, 0);
  task.set_grading(EvalTask::includes);
  EXPECT_EQ(CompletionGrader(task).grade("It is Paris", {"Paris"})[0].second, 1);
  EXPECT_EQ(CompletionGrader(task).grade("It is PARIS", {"Paris"})[0].second, 0);
  task.set_ignore_case(true);
  EXPECT_EQ(CompletionGrader(task).grade("It is PARIS", {"Paris"})[0].second, 1);
}

TEST(GenerationMatch, FuzzyMatchIsPythons) {
  auto file = golden::load("evaluation.json");  // not in the loop: its temporaries would be gone
  ASSERT_GT(file["fuzzy"].size(), 5u);
  for (const auto& item : file["fuzzy"]) {
    auto a = item["a"].get<std::string>(), b = item["b"].get<std::string>();
    EXPECT_EQ(fuzzy_match(a, b), item["same"].get<bool>()) << a << " | " << b;
    EXPECT_NEAR(fuzzy_f1(a, {b}), item["f1"].get<double>(), 1e-12) << a << " | " << b;
  }
}

TEST(GenerationMatch, JsonMatchIsPythons) {
  auto file = golden::load("evaluation.json");  // not in the loop: its temporaries would be gone
  ASSERT_GT(file["json"].size(), 5u);
  for (const auto& item : file["json"]) {
    auto a = item["a"].get<std::string>(), b = item["b"].get<std::string>();
    EXPECT_EQ(json_match(a, b), item["same"].get<bool>()) << a << " | " << b;
  }
  EXPECT_FALSE(json_match("{\"a\": 1", "{}")) << "what is no JSON matches nothing";
  EXPECT_THROW(json_match("1", "{"), Error);
}

TEST(GenerationMatch, StopsCutAtTheFirst) {
  EXPECT_EQ(before_stop("one\n\nQuestion: two", {"Question:", "\n\n"}), "one");
  EXPECT_EQ(before_stop("one", {"x"}), "one");
  EXPECT_EQ(before_stop("one", {}), "one");
}

}  // namespace
}  // namespace sextant::trainer::generation_match_test
