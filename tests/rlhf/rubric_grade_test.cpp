// Labelled answers: how they are read, what is right for a question, and what a rubric's rules make of them.
#include "rlhf/rubric_grade.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "parallel/base/error.h"
#include "parallel/group.h"
#include "rlhf/rubric_features.h"

namespace sextant::rlhf::rubric_grade_test {
namespace {

namespace fs = std::filesystem;

class Labelled : public testing::Test {
 protected:
  std::vector<LabelledAnswer> read(const std::string& lines) {
    std::ofstream(path_) << lines;
    std::vector<LabelledAnswer> answers;
    read_labelled_answers(path_, data::ChatSettings::refuse, answers);
    return answers;
  }
  std::string complaint(const std::string& line) {
    try {
      read(line);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  void TearDown() override { fs::remove(path_); }

 private:
  fs::path path_ =
      fs::temp_directory_path() /
      (std::string("labelled_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl");
};

TEST_F(Labelled, BothFormsAreRead) {
  auto answers =
      read(R"({"prompt": "Hi", "response": "Sorry.", "class": "a", "labels": {"apology": true, "kind": "B"}})"
           "\n"
           R"({"prompt": [{"role": "user", "content": "One"}, {"role": "assistant", "content": "1"},)"
           R"( {"role": "user", "content": "Two"}], "completion": [{"role": "assistant", "content": "2"}],)"
           R"( "propositions": {"apology": false}})"
           "\n");
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].episode.response_text(), "Sorry.");
  EXPECT_EQ(answers[0].episode.prompt_class(), "a");
  EXPECT_EQ(std::get<std::string>(answers[0].labels["kind"]), "B");
  EXPECT_EQ(answers[1].episode.prompt_text(), "Two");
  EXPECT_EQ(answers[1].episode.response_text(), "2");
  EXPECT_FALSE(std::get<bool>(answers[1].labels["apology"]));
}

TEST_F(Labelled, BadLinesAreNamed) {
  EXPECT_NE(
      complaint(R"({"prompt": "Hi", "labels": {"a": true}})").find(":1: the object has neither \"response\""),
      std::string::npos);
  EXPECT_NE(complaint(R"({"prompt": "Hi", "response": "x"})").find("neither \"labels\""), std::string::npos);
  EXPECT_NE(complaint(R"({"prompt": "Hi", "response": "x", "labels": {"a": 1}})").find("the label \"a\""),
            std::string::npos);
  EXPECT_NE(complaint(R"({"prompt": "Hi", "completion": [{"role": "user", "content": "a"},)"
                      R"({"role": "assistant", "content": "b"}], "labels": {"a": true}})")
                .find("2 messages"),
            std::string::npos);
}

Rubric with_rule() {
  Rubric rubric;
  Rule& rule = *rubric.add_rules();
  rule.set_name("apology");
  rule.set_kind(Rule::phrase);
  rule.add_phrases("sorry");
  rule.set_reward(-0.5);
  Question& question = *rubric.add_questions();
  question.set_name("kind");
  for (const char* letter : {"A", "B", "C"}) question.add_options()->set_letter(letter);
  return rubric;
}

RubricGradeSettings with_options() {
  RubricGradeSettings settings;
  OptionLabel& first = *settings.add_options();
  first.set_question("kind");
  first.set_letter("A");
  first.add_when("harmful");
  first.add_when("!apology");
  OptionLabel& second = *settings.add_options();
  second.set_question("kind");
  second.set_letter("B");
  second.add_when("apology");
  return settings;
}

constexpr const char* kLines =
    R"({"prompt": "p", "response": "Sorry.", "labels": {"apology": true, "harmful": true}}
{"prompt": "p", "response": "No.", "labels": {"apology": true, "harmful": false}}
{"prompt": "p", "response": "Here.", "labels": {"apology": false, "harmful": true}}
{"prompt": "p", "response": "sorry", "labels": {"apology": false, "harmful": false}}
{"prompt": "p", "response": "Fine.", "labels": {"apology": false, "harmful": false, "kind": "C"}}
)";

TEST_F(Labelled, RulesAndQuestionsAreCompared) {
  auto answers = read(kLines);
  Rubric rubric = with_rule(), rules = rubric;
  rules.clear_questions();
  check_labels(with_options(), rubric, answers);
  auto world = parallel::single_rank_group();
  int64_t told = 0;
  score_labelled(
      RubricScorer(of_units(rules), "rubric.yaml", at::kCPU), answers,
      [&](int64_t done, int64_t of) { told += done == of; }, *world);
  EXPECT_EQ(told, 1);
  // A judge that says B of all, and could not read the last.
  for (size_t i = 0; i < answers.size(); ++i) {
    Episode::Score& score = *answers[i].episode.add_scores();
    score.set_source("kind");
    if (i + 1 < answers.size()) score.set_letter("B");
  }
  std::vector<SourceGrade> grades = grade_sources(with_options(), rubric, answers);
  ASSERT_EQ(grades.size(), 2U);
  // apology: right of the first, missed of the second, called of the fourth though it is not.
  ClassScores yes = grades[0].confusion.scores(0);
  EXPECT_DOUBLE_EQ(yes.precision, 0.5);
  EXPECT_DOUBLE_EQ(yes.recall, 0.5);
  EXPECT_FALSE(grades[0].area.has_value()) << "a rule has no probability";
  // kind: B B A, nothing of the fourth, its own C of the fifth.
  EXPECT_EQ(grades[1].confusion.items(), 4);
  EXPECT_EQ(grades[1].confusion.count(0, 1), 1);
  EXPECT_EQ(grades[1].confusion.count(1, 1), 2);
  EXPECT_EQ(grades[1].confusion.count(2, Confusion::kNothing), 1);
  EXPECT_EQ(grades[1].unread, 1);
  std::string table = grade_table(grades);
  EXPECT_NE(table.find("apology (2 yes)"), std::string::npos) << table;
  EXPECT_NE(table.find("1 answers are longer"), std::string::npos) << table;
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 2 + 6);
  std::string lines = grade_lines(answers);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 5);
}

TEST_F(Labelled, SettingsThatFitNothingAreRefused) {
  auto answers = read(kLines);
  auto complaint_of = [&](const RubricGradeSettings& settings, const Rubric& rubric) -> std::string {
    try {
      check_labels(settings, rubric, answers);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  RubricGradeSettings settings = with_options();
  settings.mutable_options(0)->set_when(0, "harm");
  EXPECT_EQ(complaint_of(settings, with_rule()),
            "grade.options: no answer has a label harm; there are apology, harmful, kind");
  settings = with_options();
  settings.mutable_options(0)->set_letter("Z");
  EXPECT_EQ(complaint_of(settings, with_rule()), "grade.options: question kind has no option Z");
  Rubric other = with_rule();
  other.mutable_rules(0)->set_name("length");
  other.mutable_questions(0)->set_name("style");
  EXPECT_NE(complaint_of({}, other).find("nothing to compare"), std::string::npos);
  Rubric fewer = with_rule();
  fewer.mutable_questions(0)->mutable_options()->RemoveLast();
  EXPECT_NE(complaint_of(with_options(), fewer).find("the label C of question kind"), std::string::npos);
}

}  // namespace
}  // namespace sextant::rlhf::rubric_grade_test
