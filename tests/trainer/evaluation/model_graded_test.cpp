#include "trainer/evaluation/model_graded.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "parallel/base/error.h"

namespace sextant::trainer::model_graded_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFunny = R"(prompt: |-
  Is this funny? {completion}
  It answers {input}. {{Braces}} and {completion} again.
choice_strings: ["Yes", "No", "Unsure"]
choice_scores: {"Yes": 1.0, "No": 0.25, "Unsure": 0.5}
input_outputs: {input: completion}
)";

class ModelGraded : public testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("model_graded_test." + std::to_string(::getpid()));
  JudgedBy judged_;

  void SetUp() override {
    fs::create_directories(folder_);
    judged_.set_spec((folder_ / "funny.yaml").string());
    judged_.set_eval_type(JudgedBy::classify);
  }
  void TearDown() override { fs::remove_all(folder_); }

  JudgeSpec spec(const std::string& text, int64_t completions = 1) const {
    std::ofstream(folder_ / "funny.yaml") << text;
    return load_judge_spec(judged_, completions);
  }
  std::string refusal(const std::string& text) const {
    try {
      spec(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(ModelGraded, PromptsStandAroundTheCompletion) {
  JudgeSpec read = spec(kFunny);
  auto around = judge_prompt(read, ItemObject{{"input", "a joke"}, {"completion", "passed over"}}, "");
  ASSERT_EQ(around.size(), 3u) << "two places of the completion";
  EXPECT_EQ(around[0], "Is this funny? ");
  EXPECT_EQ(around[1], "\nIt answers a joke. {Braces} and ");
  EXPECT_EQ(
      around[2],
      " again.\n\nAnswer the question by printing only a single choice from \"Yes\" or \"No\" or \"Unsure\" "
      "(without quotes or punctuation) corresponding to the correct answer with no other text.");
  // Conversations are text as OpenAI Evals makes it of them.
  ItemObject object = ItemObject::parse(R"({"input": [{"role": "user", "content": "tell me"}]})");
  EXPECT_EQ(judge_prompt(read, object, "")[1], "\nIt answers tell me. {Braces} and ");
  object = ItemObject::parse(
      R"({"input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go"}]})");
  EXPECT_EQ(judge_prompt(read, object, "")[1], "\nIt answers Be brief.\nUser: Go\n. {Braces} and ");
  EXPECT_EQ(judge_prompt(read, ItemObject::object(), "the prompt")[1],
            "\nIt answers the prompt. {Braces} and ");
  JudgeSpec ideal = spec("prompt: '{ideal} {completion}'\nchoice_strings: AB\n");
  EXPECT_THROW(judge_prompt(ideal, ItemObject::object(), ""), Error);
}

TEST_F(ModelGraded, ChoicesAreOpenAiEvals) {
  JudgeSpec read = spec("prompt: '{completion}'\nchoice_strings: YN\neval_type: classify\n");
  EXPECT_EQ(read.choices, (std::vector<std::string>{"Y", "N"}));
  EXPECT_EQ(choice_in(read, "Y"), "Y");
  EXPECT_EQ(choice_in(read, "\n  \"N\".\nY"), "N") << "the first line that has anything, without punctuation";
  EXPECT_EQ(choice_in(read, "...\nI say Y"), "Y") << "at a line's end, too";
  EXPECT_EQ(choice_in(read, "No idea\n"), "N") << "as theirs: it begins with N";
  EXPECT_EQ(choice_in(read, "maybe\nperhaps"), "__invalid__");
  EXPECT_EQ(choice_in(read, ""), "__invalid__");
  judged_.set_eval_type(JudgedBy::cot_classify);
  read = spec("prompt: '{completion}'\nchoice_strings: YN\n");
  EXPECT_EQ(choice_in(read, "Yes, since\nall of it holds\n\nN\n"), "N") << "the last line";
  EXPECT_TRUE(read.prompt.ends_with("\n\nReasoning:"));
}

TEST_F(ModelGraded, ScoresAndCounts) {
  JudgeSpec read = spec(kFunny);
  EXPECT_EQ(
      judge_grades(read, "Unsure"),
      (Grades{{"score", 0.5}, {"invalid", 0}, {"choice/Yes", 0}, {"choice/No", 0}, {"choice/Unsure", 1}}));
  EXPECT_EQ(judge_grades(read, "__invalid__")[0].second, 0.25) << "an invalid choice has the lowest score";
  EXPECT_EQ(judge_grades(read, "__invalid__")[1].second, 1);
  read = spec("prompt: '{completion}'\nchoice_strings: '12345'\nchoice_scores: from_strings\n");
  EXPECT_EQ(judge_grades(read, "4")[0].second, 4);
  read = spec("prompt: '{completion}'\nchoice_strings: AB\n");
  EXPECT_EQ(judge_grades(read, "A")[0].first, "invalid") << "no scores are given";
}

TEST_F(ModelGraded, ArgumentsAreChosenByName) {
  std::string text =
      "prompt: '{criteria} {completion}'\nchoice_strings: YN\nargs:\n  criteria:\n"
      "    brief: Is it brief?\n    right: Is it right?\n";
  EXPECT_NE(refusal(text).find(
                "funny.yaml:4: criteria: name one of these: judge.args=[criteria=...]: brief, right"),
            std::string::npos)
      << refusal(text);
  judged_.add_args("criteria=right");
  EXPECT_EQ(judge_prompt(spec(text), ItemObject::object(), "")[0], "Is it right? ");
}

// The best of several answers to one question, as the registry's best.yaml asks.
TEST_F(ModelGraded, SeveralAnswersStandOneAfterTheOther) {
  std::string text =
      "prompt: 'Which of {n} answers {input} best? {completion}'\n"
      "completion_sample_templates:\n  completion: \"{i}. {output}\\n\"\n"
      "choice_strings: from_n\ninput_outputs:\n  input: completion\n";
  JudgeSpec read = spec(text, 3);
  EXPECT_EQ(read.choices, (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(judge_prompt(read, ItemObject{{"input", "why"}}, "")[0], "Which of 3 answers why best? ");
  EXPECT_EQ(judged_text(read, {"so", "{n}", "no"}), "1. so\n2. {n}\n3. no");
  EXPECT_EQ(choice_in(read, "2."), "2");
  read = spec(
      "prompt: '{completion}'\noutput_template: '{i_ABC}/{i_abc} of {n} {{{output}}} '\n"
      "choice_strings: from_n_ABC\nchoice_scores: {A: 0, B: 1}\n",
      2);
  EXPECT_EQ(read.choices, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(judged_text(read, {"x", "y"}), "A/a of 2 {x} B/b of 2 {y}");
  EXPECT_EQ(
      spec("prompt: '{completion}'\noutput_template: '{output}'\nchoice_strings: from_n_abc\n", 2).choices,
      (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(judged_text(spec(kFunny), {"alone"}), "alone");
  EXPECT_THROW(judged_text(spec("prompt: x\noutput_template: '{what}'\nchoice_strings: AB\n"), {"x"}), Error);
  EXPECT_THROW(spec(kFunny, 2), Error) << "no place for the second";
}

// One answer beside another that the item has, as the registry's battle.yaml asks.
TEST_F(ModelGraded, AnAnswerIsComparedWithTheItems) {
  std::string text =
      "prompt: '{input1}: {completion1}; {input2}: {completion2}. Is the first better?'\nchoice_strings: YN\n"
      "input_outputs:\n  input1: completion1\n  input2: completion2\n";
  JudgeSpec read = spec(text);
  ItemObject object{{"input1", "a"}, {"input2", "b"}, {"completion1", "old"}};
  auto around = judge_prompt(read, object, "");
  ASSERT_EQ(around.size(), 2u);
  EXPECT_EQ(around[0], "a: old; b: ");
  EXPECT_TRUE(around[1].starts_with(". Is the first better?"));
  EXPECT_THROW(judge_prompt(read, ItemObject{{"input1", "a"}, {"input2", "b"}}, ""), Error)
      << "two are missing";
  object["completion2"] = "new";
  EXPECT_THROW(judge_prompt(read, object, ""), Error) << "none is missing";
}

TEST_F(ModelGraded, WhatIsNotUnderstoodIsRefusedWithItsLine) {
  auto expect_part = [&](const std::string& text, const std::string& part) {
    EXPECT_NE(refusal(text).find(part), std::string::npos) << part << " is not in " << refusal(text);
  };
  expect_part("prompt: x\nchoice_strings: from_n\n", "funny.yaml:2: choice_strings");
  expect_part("prompt: x\nchoice_strings: ['a.b']\n", "has punctuation");
  expect_part("prompt: x\nchoice_strings: AB\ncompletion_sample_templates: {a: b, c: d}\n", "funny.yaml:3");
  expect_part("prompt: x\nchoice_strings: AB\nchoice_scores: {A: 1}\n", "the choice 'B' has no score");
  expect_part("prompt: x\nchoice_strings: AB\nchoice_scores: {A: 1, B: one}\n", "'one' is no number");
  expect_part("prompt: x\nchoice_strings: AB\neval_type: guess\n", "'guess' is none of");
  expect_part("choice_strings: AB\n", "needs prompt and choice_strings");
  judged_.set_eval_type(JudgedBy::from_spec);
  expect_part("prompt: x\nchoice_strings: AB\n", "give judge.eval_type");
  EXPECT_EQ(refusal("funny:\n  prompt: x\n  choice_strings: AB\n  eval_type: classify\n"), "")
      << "by the file's name, as in newer registries";
  EXPECT_THROW(
      judge_prompt(spec("prompt: '{a'\nchoice_strings: AB\neval_type: classify\n"), ItemObject::object(), ""),
      Error);
}

}  // namespace
}  // namespace sextant::trainer::model_graded_test
