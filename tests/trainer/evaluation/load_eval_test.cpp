#include "trainer/evaluation/load_eval.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "parallel/base/error.h"

namespace sextant::trainer::load_eval_test {
namespace {

namespace fs = std::filesystem;

class LoadEval : public testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("load_eval_test." + std::to_string(::getpid()));

  void SetUp() override {
    fs::create_directories(folder_);
    write("e.yaml", "eval: {checkpoint: c}\n");
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  EvalRun load(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> overrides{"eval.registry=" + (folder_ / "registry.yaml").string()};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return load_eval(folder_ / "e.yaml", overrides, nullptr);
  }

  std::string refusal(const std::string& registry, const std::vector<std::string>& more = {}) const {
    write("registry.yaml", registry);
    try {
      load(more);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

constexpr const char* kRegistry = R"(capitals:
  id: capitals.dev.v0
  description: Capitals of countries.
  metrics: [accuracy]
capitals.dev.v0:
  class: evals.elsuite.basic.match:Match
  args:
    samples_jsonl: capitals/samples.jsonl
    max_tokens: 12

words:
  id: words.v1
words.v1:
  class: evals.elsuite.basic.includes:Includes
  args:
    samples_jsonl: words/samples.jsonl
    ignore_case: True
)";

TEST_F(LoadEval, ModelGradedEvalsNameTheirSpecification) {
  write(
      "registry.yaml",
      "jokes:\n  id: jokes.v0\njokes.v0:\n  class: evals.elsuite.modelgraded.classify:ModelBasedClassify\n"
      "  args:\n    samples_jsonl: jokes.jsonl\n    eval_type: cot_classify\n    modelgraded_spec: humor\n");
  EvalTask task = load().eval().tasks(0);
  EXPECT_EQ(task.grading(), EvalTask::model_graded);
  EXPECT_EQ(task.judge().eval_type(), JudgedBy::cot_classify);
  EXPECT_EQ(fs::path(task.judge().spec()), folder_.parent_path() / "modelgraded/humor.yaml");
  std::string graded =
      "j: {id: k}\nk:\n  class: evals.elsuite.modelgraded.classify:ModelBasedClassify\n  args:\n"
      "    samples_jsonl: j.jsonl\n";
  expect_part(refusal(graded), "args has no modelgraded_spec");
  expect_part(refusal(graded + "    modelgraded_spec: ../../secrets\n"), "registry.yaml:6: modelgraded_spec");
  expect_part(refusal(graded + "    multicomp_n: from_models\n"), "registry.yaml:6: multicomp_n");
  write("registry.yaml", graded + "    multicomp_n: 3\n    modelgraded_spec: best\n");
  task = load().eval().tasks(0);
  EXPECT_EQ(task.samples(), 3);
  EXPECT_EQ(task.temperature(), 1) << "they are drawn, or they would be equal";
}

TEST_F(LoadEval, EvalsOfARegistryBecomeTasks) {
  write("registry.yaml", kRegistry);
  EvalRun run = load();
  ASSERT_EQ(run.eval().tasks_size(), 2);
  const EvalTask& capitals = run.eval().tasks(0);
  EXPECT_EQ(capitals.name(), "capitals");
  EXPECT_EQ(capitals.kind(), EvalTask::generation);
  EXPECT_EQ(capitals.grading(), EvalTask::match);
  EXPECT_EQ(capitals.data(), "capitals/samples.jsonl");
  EXPECT_EQ(capitals.messages_field(), "input");
  EXPECT_EQ(capitals.ideals_field(), "ideal");
  EXPECT_EQ(capitals.tokens(), 12);
  EXPECT_EQ(run.eval().tasks(1).grading(), EvalTask::includes);
  EXPECT_TRUE(run.eval().tasks(1).ignore_case());
  EXPECT_EQ(run.eval().folder(), "runs/e");
  run = load({"eval.registry_evals=[words]"});
  ASSERT_EQ(run.eval().tasks_size(), 1);
  EXPECT_EQ(run.eval().tasks(0).name(), "words");
}

TEST_F(LoadEval, WhatARegistryWantsAndWeHaveNotIsRefused) {
  expect_part(refusal(kRegistry, {"eval.registry_evals=[lost]"}), "registry.yaml: there is no eval 'lost'");
  expect_part(refusal("a:\n  id: b\n"), "there is no eval 'b'");
  expect_part(refusal("a:\n  id: b\nb:\n  id: a\n"), "lead in a circle");
  std::string start = "a:\n  id: b\nb:\n  class: ";
  expect_part(refusal(start + "evals.elsuite.translate:Translate\n"),
              "registry.yaml:3: b: class evals.elsuite.translate:Translate is not among");
  start += "evals.elsuite.basic.match:Match\n";
  expect_part(refusal(start), "args has no samples_jsonl");
  expect_part(refusal(start + "  args:\n    samples_jsonl: s\n    num_few_shot: 4\n"),
              "registry.yaml:7: num_few_shot: '4' is not understood here");
  expect_part(refusal(start + "  args:\n    samples_jsonl: s\n    max_tokens: many\n"), "max_tokens: 'many'");
  expect_part(refusal("a: &x\n  id: b\n"), "anchor");
  EXPECT_THROW(load_eval(folder_ / "e.yaml", {"eval.registry_evals=[a]"}, nullptr), Error);
}

}  // namespace
}  // namespace sextant::trainer::load_eval_test
