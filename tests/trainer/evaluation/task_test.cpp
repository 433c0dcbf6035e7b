#include "trainer/evaluation/task.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "parallel/base/error.h"
#include "tests/harness/checkout.h"
#include "trainer/config/load.h"
#include "trainer/evaluation/gold_option.h"
#include "trainer/evaluation/shots.h"

namespace sextant::trainer::task_test {
namespace {

namespace fs = std::filesystem;

class TaskItems : public testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("task_test." + std::to_string(::getpid()));
  data::Tokenizer tokenizer_ =
      data::Tokenizer::load(harness::checkout() / "tests/golden/chat/tokenizer.json");

  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  void file(const std::string& name, const std::string& text) const {
    if (name.ends_with(".gz")) {
      gzFile packed = gzopen((folder_ / name).c_str(), "wb");
      gzwrite(packed, text.data(), static_cast<unsigned>(text.size()));
      gzclose(packed);
      return;
    }
    std::ofstream(folder_ / name) << text;
  }

  EvalRun run(const std::string& task) const {
    EvalRun run;
    load_config_text(
        "eval:\n  checkpoint: c\n  data_folder: " + folder_.string() + "\n  tasks:\n    - " + task + "\n",
        "x.yaml", {}, run, nullptr);
    return run;
  }

  std::vector<EvalItem> items(const std::string& task) const {
    EvalRun read = run(task);
    check(eval_complaints(read), Origins("x.yaml"));
    return read_items(read.eval().tasks(0), read.eval(), &tokenizer_);
  }

  std::string refusal(const std::string& task) const {
    try {
      items(task);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "";
  }
};

void expect_holds(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

TEST_F(TaskItems, ChoicesInTheShapesThatTheyCome) {
  file("a.jsonl", R"({"q": "one?", "choices": ["no", "yes"], "gold": 1})"
                  "\n\n"
                  R"({"q": "two?", "choices": ["a", "b", "c"], "gold": "C"})"
                  "\n");
  auto read = items(
      "{name: t, kind: multiple_choice, data: a.jsonl, prompt: 'Q: {{q}}', choices_field: choices, gold: "
      "'{{gold}}'}");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].options[1].context, "Q: one?");
  EXPECT_EQ(read[0].options[1].continuation, " yes");
  EXPECT_EQ(read[0].options[1].text, "yes");
  EXPECT_EQ(read[0].gold, std::vector<int64_t>{1});
  EXPECT_EQ(read[1].gold, std::vector<int64_t>{2});
  EXPECT_EQ(read[1].origin, (folder_ / "a.jsonl").string() + ":3") << "the empty line counts";

  file("arc.jsonl.gz",
       R"({"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"})");
  auto arc = items(
      "{name: t, kind: multiple_choice, data: arc.jsonl.gz, prompt: '{{question}}', choices_field: "
      "choices.text, "
      "labels_field: choices.label, gold: '{{answerKey}}'}");
  EXPECT_EQ(arc[0].gold, std::vector<int64_t>{1});

  file("t.json", R"([{"q": "q", "mc": {"z": 1, "a": 0, "m": 1}}])");
  auto truth = items("{name: t, kind: multiple_choice, data: t.json, prompt: '{{q}}', choices_field: mc}");
  ASSERT_EQ(truth[0].options.size(), 3u);
  EXPECT_EQ(truth[0].options[0].text, "z") << "in the order of the file";
  EXPECT_EQ(truth[0].gold, (std::vector<int64_t>{0, 2}));
  file("h.jsonl", R"({"q": "q", "mc": {"choices": ["a", "b"], "labels": [0, 1]}})");
  EXPECT_EQ(items("{name: t, kind: multiple_choice, data: h.jsonl, prompt: '{{q}}', choices_field: "
                  "mc.choices, right_field: mc.labels}")[0]
                .gold,
            std::vector<int64_t>{1});
}

TEST_F(TaskItems, OptionsMayStandInTheQuestionsPlace) {
  file("w.jsonl", R"({"sentence": "Ann met _ there.", "option1": "Bob", "option2": "Eve", "answer": "2"})");
  auto read = items(
      "{name: t, kind: multiple_choice, data: w.jsonl, choices: ['{{sentence|before(\"_\")}}{{option1}}', "
      "'{{sentence|before(\"_\")}}{{option2}}'], continuation: '{{sentence|after(\"_\")|trim}}', gold: "
      "'{{answer}}', gold_from: 1}");
  EXPECT_EQ(read[0].options[1].context, "Ann met Eve");
  EXPECT_EQ(read[0].options[1].continuation, " there.");
  EXPECT_EQ(read[0].gold, std::vector<int64_t>{1});
}

TEST_F(TaskItems, ExamplesStandInFront) {
  file("items.jsonl", "{\"q\": \"5\", \"a\": \"five\", \"s\": \"x\"}\n");
  file("shots.jsonl",
       "{\"q\": \"1\", \"a\": \"one\", \"s\": \"x\"}\n{\"q\": \"2\", \"a\": \"two\", \"s\": \"y\"}\n{\"q\": "
       "\"3\", \"a\": \"three\", \"s\": \"x\"}\n");
  std::string task =
      "{name: t, kind: log_likelihood, data: items.jsonl, description: \"About {{s}}.\\n\", prompt: 'Q: "
      "{{q}} A:', target: '{{a}}', ";
  EXPECT_EQ(items(task + "shots: {count: 2, data: shots.jsonl, pick: first, same: s}}")[0].options[0].context,
            "About x.\nQ: 1 A: one\n\nQ: 3 A: three\n\nQ: 5 A:");
  expect_holds(refusal(task + "shots: {count: 3, data: shots.jsonl, same: s}}"),
               "items.jsonl:1: task t: 3 examples with 's' = 'x' are wanted in front of it, but there are 2");
  expect_holds(refusal(task + "shots: {count: 1}}"), "but there are 0");
}

TEST_F(TaskItems, DrawnExamplesAreAFunctionOfSeedAndItem) {
  Shots shots;
  shots.set_count(3);
  std::vector<std::string> kinds(20, "");
  auto chosen = choose_shots(shots, 1, "t", 4, "", kinds, ShotSource::kOwnFile);
  EXPECT_EQ(chosen, choose_shots(shots, 1, "t", 4, "", kinds, ShotSource::kOwnFile));
  EXPECT_NE(chosen, choose_shots(shots, 2, "t", 4, "", kinds, ShotSource::kOwnFile));
  EXPECT_NE(chosen, choose_shots(shots, 1, "t", 5, "", kinds, ShotSource::kOwnFile));
  std::vector<int64_t> counts(20);
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    for (size_t one : choose_shots(shots, seed, "t", 4, "", kinds, ShotSource::kOwnFile)) ++counts[one];
  }
  EXPECT_EQ(counts[4], 0) << "never the item itself";
  // 2000 draws of 3 of 19: 316 each, standard deviation 16.3.
  for (size_t i = 0; i < 20; ++i)
    EXPECT_TRUE(i == 4 || std::abs(counts[i] - 316) < 82) << i << " " << counts[i];
}

TEST_F(TaskItems, CleaningGroupsAndLimits) {
  file("h.jsonl",
       "{\"ctx\": \"Do it [title] Now [step]\", \"e\": [\"a [x]\", \"b\"], \"l\": \"0\", \"g\": "
       "\"G\"}\n{\"ctx\": \"z\", \"e\": [\"a\", \"b\"], \"l\": \"1\", \"g\": \"H\"}\n");
  std::string task =
      "{name: t, kind: multiple_choice, data: h.jsonl, prompt: '{{ctx}}', choices_field: e, gold: '{{l}}', "
      "group: '{{g}}', cluster: 'c{{g}}', "
      "clean: [{pattern: ' \\[title\\]', replacement: '. '}, {pattern: '\\[.*?\\]'}, {pattern: '  ', "
      "replacement: ' '}], limit: 1}";
  auto read = items(task);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].prompt, "Do it. Now ");
  EXPECT_EQ(read[0].options[0].text, "a ");
  EXPECT_EQ(read[0].group + read[0].cluster, "GcG");
}

TEST_F(TaskItems, GenerationsHaveIdealsAndMessages) {
  file("s.jsonl",
       R"({"input": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2?"}],)"
       R"( "ideal": ["4", "four"]})"
       "\n"
       R"({"input": "3+3=", "ideal": "6"})");
  auto read = items(
      "{name: t, kind: generation, data: s.jsonl, messages_field: input, ideals_field: ideal, grading: "
      "match}");
  EXPECT_EQ(read[0].messages.size(), 2u);
  EXPECT_EQ(read[0].ideals, (std::vector<std::string>{"4", "four"}));
  EXPECT_TRUE(read[1].messages.empty());
  EXPECT_EQ(read[1].prompt, "3+3=");
  EXPECT_EQ(read[1].ideals, std::vector<std::string>{"6"});
}

TEST_F(TaskItems, SaysWhatIsWrongWithALine) {
  std::string task =
      "{name: t, kind: multiple_choice, data: bad.jsonl, prompt: '{{q}}', choices_field: c, gold: '{{g}}'}";
  auto wrong = [&](const std::string& line) {
    file("bad.jsonl", "{\"q\": \"q\", \"c\": [\"a\", \"b\"], \"g\": 0}\n" + line + "\n");
    return refusal(task);
  };
  std::string place = "bad.jsonl:2: ";
  expect_holds(wrong("{\"q\": "), place + "this line is not JSON");
  expect_holds(wrong("[1]"), place + "this line is of type array");
  expect_holds(wrong("{\"c\": [\"a\", \"b\"], \"g\": 0}"), place + "task t: the field 'q' is missing");
  expect_holds(wrong("{\"q\": \"q\", \"c\": \"a\", \"g\": 0}"),
               place + "task t: the field 'c' is of type string, not a list");
  expect_holds(wrong("{\"q\": \"q\", \"c\": [\"a\"], \"g\": 0}"), place + "task t: there are 1 options");
  expect_holds(
      wrong("{\"q\": \"q\", \"c\": [\"a\", \"b\"], \"g\": 2}"),
      place + "task t: gold '2' is out of range: it means option 2, counted from 0, but there are 2");
  expect_holds(wrong("{\"q\": \"q\", \"c\": [\"a\", \"b\"], \"g\": -1}"), "gold '-1' is out of range");
  expect_holds(wrong("{\"q\": \"q\", \"c\": [\"a\", \"b\"], \"g\": \"D\"}"), "gold 'D' is out of range");
  expect_holds(wrong("{\"q\": \"q\", \"c\": [\"a\", \"b\"], \"g\": \"maybe\"}"),
               "gold 'maybe' is no index, no letter and none of the 2 options");
  expect_holds(wrong("{\"q\": \"q\", \"c\": {\"a\": 2, \"b\": 0}, \"g\": 0}"),
               "marks options with 1 (right) and 0; it holds 2");
  file("empty.jsonl", "\n\n");
  expect_holds(refusal("{name: t, kind: perplexity, data: empty.jsonl, prompt: '{{text}}'}"),
               "empty.jsonl: there is no item in this file");
  expect_holds(refusal("{name: t, kind: perplexity, data: lost.jsonl, prompt: '{{text}}'}"), "lost.jsonl");
  file("list.json", "[{\"text\": \"a\"}, 3]");
  expect_holds(refusal("{name: t, kind: perplexity, data: list.json, prompt: '{{text}}'}"),
               "list.json: object 2 of the list is of type number");
}

TEST_F(TaskItems, ProgramsStandAroundTheirCompletion) {
  file("p.jsonl",
       R"({"prompt": "def f():\n", "test": "def check(f):\n  assert f() == '{{x}}'", "entry": "f"})");
  auto programs = items(
      "{name: t, kind: generation, grading: execution, data: p.jsonl, prompt: '{{prompt}}', "
      "program: \"{{prompt}}{{completion}}\\n{{test}}\\ncheck({{entry}})\"}");
  ASSERT_EQ(programs.size(), 1u);
  EXPECT_EQ(programs[0].prompt, "def f():\n");
  EXPECT_EQ(programs[0].around_completion,
            (std::vector<std::string>{"def f():\n", "\ndef check(f):\n  assert f() == '{{x}}'\ncheck(f)"}));
  EXPECT_TRUE(programs[0].ideals.empty());
}

TEST_F(TaskItems, ComplainsOfTasksThatDoNotHoldTogether) {
  expect_holds(refusal("{name: t, kind: multiple_choice, data: a, choices: [a], gold: '0'}"),
               "two options or more");
  expect_holds(refusal("{name: t, kind: multiple_choice, data: a, gold: '0'}"),
               "either choices or choices_field");
  expect_holds(refusal("{name: t, kind: multiple_choice, data: a, choices: [a, b]}"),
               "needs gold or right_field");
  expect_holds(refusal("{name: t, kind: log_likelihood, data: a}"), "needs a target");
  expect_holds(refusal("{name: t, kind: perplexity, data: a, shards: b, prompt: '{{text}}'}"),
               "either data or shards");
  expect_holds(refusal("{name: t, kind: perplexity, data: a, prompt: '{{text'}"), "close it with }}");
  expect_holds(refusal("{name: t, kind: generation, data: a, prompt: p, target: t, answers: ['(']}"),
               "eval.tasks.0.answers.0.pattern");
  expect_holds(refusal("{name: t, kind: generation, data: a, prompt: p, target: t, answers: [a, b]}"),
               "two answers are called ''");
  expect_holds(refusal("{name: t, kind: generation, data: a, target: t}"), "either prompt or messages_field");
  std::string program = "{name: t, kind: generation, data: a, prompt: p, grading: execution, ";
  expect_holds(refusal(program + "program: 'x'}"), "needs a program with {{completion}} in it, once");
  expect_holds(refusal(program + "program: '{{completion}}{{completion}}'}"), "in it, once");
  program += "program: '{{completion}}', ";
  expect_holds(refusal(program + "samples: 2}"), "all greedy completions are equal");
  expect_holds(refusal(program + "samples: 2, temperature: 1, pass_at: [1, 3]}"), "pass@3 needs 3 samples");
  expect_holds(refusal(program + "answers: [a, {name: n, pattern: b}]}"), "give one pattern");
  expect_holds(refusal("{name: t, kind: generation, data: a, prompt: p, target: t, samples: 2}"),
               "belong to grading: execution");
  EvalRun twice = run("{name: t, kind: perplexity, data: a, prompt: '{{text}}'}");
  *twice.mutable_eval()->add_tasks() = twice.eval().tasks(0);
  twice.mutable_parallel()->set_context(2);
  std::string text = complaints_text(eval_complaints(twice), Origins("x.yaml"));
  expect_holds(text, "two tasks are called 't'");
  expect_holds(text, "parallel.context");
}

}  // namespace
}  // namespace sextant::trainer::task_test
