#include "trainer/evaluation/evaluate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "parallel/group_threads.h"
#include "tests/harness/checkout.h"
#include "tests/harness/golden_model.h"
#include "trainer/evaluation/compare.h"
#include "trainer/evaluation/local_model.h"
#include "trainer/evaluation/results.h"

namespace sextant::trainer::evaluate_test {
namespace {

namespace fs = std::filesystem;

// Five kinds of item on the golden Llama, whose 64 ids are the first ones of a tokenizer of bytes.
class Evaluate : public testing::Test {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("evaluate_test." + std::to_string(::getpid()));
  golden::Json file_ = golden::load("llama.json");
  data::Tokenizer tokenizer_ =
      data::Tokenizer::load(harness::checkout() / "tests/golden/tokenizer/families/smollm2.json");
  EvalSettings settings_;
  EvalItems items_;
  EvalModel* judge_ = nullptr;  // the model under test

  void SetUp() override {
    settings_.set_resamples(50);
    settings_.set_seed(3);
    EvalTask* choice = settings_.add_tasks();
    choice->set_name("choice");
    choice->set_kind(EvalTask::multiple_choice);
    EvalTask* target = settings_.add_tasks();
    target->set_name("target");
    target->set_kind(EvalTask::log_likelihood);
    EvalTask* writing = settings_.add_tasks();
    writing->set_name("writing");
    writing->set_kind(EvalTask::generation);
    writing->set_tokens(4);
    EvalTask* drawing = settings_.add_tasks();
    *drawing = *writing;
    drawing->set_name("drawing");
    drawing->set_temperature(1);
    items_.resize(4);
    for (int64_t i = 0; i < 21; ++i) {
      // Low ids of the tokenizer are characters such as these.
      std::string context(static_cast<size_t>(1 + i % 5), static_cast<char>('0' + i % 7));
      EvalItem item;
      item.index = i;
      item.origin = "made:" + std::to_string(i);
      item.prompt = context;
      item.options = {{context, "1", "1"}, {context, "23", "23"}, {context, "12", "12"}};
      item.gold = {i % 3};
      item.ideals = {"1"};
      items_[0].push_back(item);
      item.options.resize(1);
      items_[1].push_back(item);
      items_[2].push_back(item);
      items_[3].push_back(item);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Evaluates on n ranks into the folder, `stop_after` items at a time at most; the bytes of samples.jsonl.
  std::string samples_of(int64_t ranks, const std::string& name, int64_t stop_after = 1 << 20) {
    fs::create_directories(folder_ / name);
    parallel::run_ranks(ranks, [&](parallel::Group& world) {
      Transformer model(golden::model_settings(file_["model"]), NumericsSettings::none,
                        Precision{at::kFloat, at::kFloat}, at::kCPU);
      golden::set_weights(model, file_["parameters"]);
      Passes passes(model);
      parallel::Mesh mesh(parallel::MeshSettings(), world);
      std::optional<CodeSandbox> sandbox;
      if (runs_programs(settings_)) sandbox.emplace(settings_);
      LocalModel under_test(passes, {tokenizer_, {}, model.settings().context()}, {}, nullptr);
      EvalTools tools{under_test, judge_ != nullptr ? *judge_ : under_test, sandbox ? &*sandbox : nullptr};
      bool first = world.rank() == Rank(0);
      auto outcome = EvalOutcome::kStopped;
      while (outcome == EvalOutcome::kStopped) {
        std::optional<EvalRecords> records;
        if (first) records.emplace(folder_ / name, eval_identity(settings_, items_, Manifest()));
        int64_t measured = 0;
        outcome = evaluate_items(
            tools, settings_, items_, mesh, world, first ? &*records : nullptr, [](const EvalProgress&) {},
            [&] { return ++measured >= stop_after; });
        std::vector<std::string> tasks;
        for (const EvalTask& task : settings_.tasks()) tasks.push_back(task.name());
        if (first && outcome == EvalOutcome::kFinished) records->put_in_order(tasks);
      }
    });
    return bytes(name);
  }

  std::string bytes(const std::string& name) const {
    std::ifstream stream(folder_ / name / "samples.jsonl", std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }
};

TEST_F(Evaluate, RecordsDoNotDependOnRanksOrInterruptions) {
  std::string alone = samples_of(1, "alone");
  EXPECT_EQ(std::count(alone.begin(), alone.end(), '\n'), 84);
  EXPECT_EQ(samples_of(3, "three"), alone) << "to the bit: every item is measured as if it were the only one";
  EXPECT_EQ(samples_of(1, "stopped", 1), alone);
}

TEST_F(Evaluate, ProgramsAreDrawnRunAndGraded) {
  settings_.clear_tasks();
  EvalTask* task = settings_.add_tasks();
  task->set_name("programs");
  task->set_kind(EvalTask::generation);
  task->set_grading(EvalTask::execution);
  task->set_tokens(3);
  task->set_temperature(1);
  task->set_samples(4);
  task->add_pass_at(1);
  task->add_pass_at(3);
  items_ = {{}};
  for (int64_t i = 0; i < 5; ++i) {
    EvalItem item;
    item.index = i;
    item.prompt = std::to_string(i);
    item.around_completion = {"text = r\"\"\" ", " \"\"\"\nassert sum(map(ord, text)) % 2 == 0, 'odd'\n"};
    items_[0].push_back(item);
  }
  std::string alone = samples_of(1, "alone");
  EXPECT_EQ(samples_of(2, "two"), alone) << "to the bit, verdicts and messages included";
  EXPECT_EQ(samples_of(1, "stopped", 1), alone);
  std::set<std::string> completions, verdicts;
  for (const auto& [key, record] : read_records(folder_ / "alone")) {
    int64_t right = 0;
    ASSERT_EQ(record["samples"].size(), 4u);
    for (const auto& sample : record["samples"]) {
      completions.insert(sample["completion"].get<std::string>());
      verdicts.insert(sample["verdict"].get<std::string>());
      std::string program = sample["program"].get<std::string>();
      EXPECT_EQ(program.find("text = r\"\"\" " + sample["completion"].get<std::string>() + " \"\"\""), 0u);
      bool passed = sample["verdict"] == "passed";
      EXPECT_EQ(sample["errors"].get<std::string>().find("odd") == std::string::npos, passed);
      right += passed ? 1 : 0;
    }
    EXPECT_EQ(record["grade"]["pass@1"].get<double>(), static_cast<double>(right) / 4);
    EXPECT_EQ(record["grade"]["pass@3"].get<double>(), right > 1 ? 1.0 : 0.75 * static_cast<double>(right));
  }
  EXPECT_GT(completions.size(), 10u) << "samples are drawn independently";
  EXPECT_EQ(verdicts, (std::set<std::string>{"failed", "passed"}));
  auto results = results_of(settings_, read_records(folder_ / "alone"));
  EXPECT_EQ(results[1]["metric"], "pass@3");
  EXPECT_EQ(results[1]["n"], 5);
}

// Says Y of completions with an even digit first, N of odd ones, and something else of the rest.
class ScriptedJudge : public EvalModel {
 public:
  std::vector<Answered> write(const std::vector<Question>& questions, const WritingRules&) override {
    std::vector<Answered> all;
    for (const Question& question : questions) {
      const std::string& text = question.messages.at(0).content;
      char digit = text.at(text.find('<') + 1);
      bool known = digit >= '0' && digit <= '9';
      std::string words = known ? (digit % 2 == 0 ? "Y" : "N") : "perhaps";
      all.push_back({{{"prompt", text}}, {{words, {{"completion", words}}}}});
    }
    return all;
  }
  std::vector<std::vector<OptionScore>> score(const std::vector<const EvalItem*>&) override { return {}; }
  DocumentScore read(const std::string&, int64_t) override { return {}; }
};

TEST_F(Evaluate, AJudgeGradesCompletions) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "spec.yaml") << "prompt: '{completion}'\nchoice_strings: YN\neval_type: classify\n"
                                          "choice_scores: {Y: 1, N: 0.25}\n";
  settings_.clear_tasks();
  EvalTask* task = settings_.add_tasks();
  task->set_name("judged");
  task->set_kind(EvalTask::generation);
  task->set_grading(EvalTask::model_graded);
  task->set_tokens(2);
  task->set_temperature(1);
  task->mutable_judge()->set_spec((folder_ / "spec.yaml").string());
  for (EvalItem& item : items_[2]) item.around_completion = {"of <", ">?"};
  items_ = {items_[2]};
  ScriptedJudge judge;
  judge_ = &judge;
  std::string alone = samples_of(1, "alone");
  EXPECT_EQ(samples_of(3, "three"), alone);
  std::set<std::string> choices;
  double score = 0;
  for (const auto& [key, record] : read_records(folder_ / "alone")) {
    std::string completion = record["completion"].get<std::string>();
    EXPECT_EQ(record["judge"]["prompt"], "of <" + completion + ">?");
    std::string choice = record["judge"]["choice"].get<std::string>();
    choices.insert(choice);
    EXPECT_EQ(record["grade"]["score"], choice == "Y" ? 1 : 0.25);
    EXPECT_EQ(record["grade"]["invalid"], choice == "__invalid__" ? 1 : 0);
    EXPECT_EQ(record["grade"]["choice/N"], choice == "N" ? 1 : 0);
    score += record["grade"]["score"].get<double>() / 21;
  }
  EXPECT_EQ(choices.size(), 3u) << "each choice, and none";
  auto results = results_of(settings_, read_records(folder_ / "alone"));
  EXPECT_EQ(results[0]["metric"], "score");
  EXPECT_NEAR(results[0]["value"].get<double>(), score, 1e-12);
}

TEST_F(Evaluate, ACutLineIsMeasuredAgain) {
  std::string whole = samples_of(1, "whole");
  fs::create_directories(folder_ / "cut");
  EvalRecords(folder_ / "cut", eval_identity(settings_, items_, Manifest()));
  // Within the first task, whose items are otherwise measured together.
  std::ofstream(folder_ / "cut/samples.jsonl") << whole.substr(0, whole.size() / 6);
  EvalRecords(folder_ / "cut", eval_identity(settings_, items_, Manifest()));
  EXPECT_EQ(bytes("cut").back(), '\n') << "what is added begins a line of its own";
  EXPECT_GT(bytes("cut").size(), whole.size() / 8);
  EXPECT_EQ(samples_of(1, "cut"), whole);
}

TEST_F(Evaluate, AnotherEvaluationsFolderIsRefused) {
  samples_of(1, "mine");
  auto refusal = [&](const nlohmann::ordered_json& identity) -> std::string {
    try {
      EvalRecords(folder_ / "mine", identity);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(eval_identity(settings_, items_, Manifest())), "");
  Manifest other;
  other.add_pieces()->set_name("weights/x");
  EXPECT_NE(
      refusal(eval_identity(settings_, items_, other)).find("holds another evaluation (another weights)"),
      std::string::npos);
  items_[0][0].options[0].continuation = " 1";
  EXPECT_NE(refusal(eval_identity(settings_, items_, Manifest())).find("another tasks"), std::string::npos);
  std::ofstream(folder_ / "mine/samples.jsonl") << "{\"task\": \"choice\"}\n";
  EXPECT_THROW(read_records(folder_ / "mine"), Error);
}

TEST_F(Evaluate, ResultsAreOfTheRecords) {
  samples_of(1, "results");
  RecordMap records = read_records(folder_ / "results");
  auto results = results_of(settings_, records);
  double right = 0;
  for (int64_t i = 0; i < 21; ++i) right += records.at({"choice", i})["grade"]["acc"].get<double>();
  std::vector<std::string> metrics;
  for (const auto& result : results) {
    metrics.push_back(result["task"].get<std::string>() + " " + result["metric"].get<std::string>());
    EXPECT_EQ(result["n"], 21);
  }
  EXPECT_EQ(metrics,
            (std::vector<std::string>{"choice acc", "choice acc_norm", "choice ece", "choice ece_equal_mass",
                                      "choice brier", "target acc", "target perplexity",
                                      "writing exact_match", "drawing exact_match"}));
  EXPECT_NEAR(results[0]["value"].get<double>(), right / 21, 1e-12);
  double likelihood = 0;
  for (int64_t i = 0; i < 21; ++i)
    likelihood += records.at({"target", i})["grade"]["log_likelihood"].get<double>();
  EXPECT_NEAR(results[6]["value"].get<double>(), std::exp(-likelihood / 21), 1e-9);
  EXPECT_LE(results[0]["low"].get<double>(), results[0]["value"].get<double>());
  EXPECT_GE(results[0]["high"].get<double>(), results[0]["value"].get<double>());
  EXPECT_EQ(results, results_of(settings_, records)) << "the bootstrap has a seed";
  EXPECT_NE(results_table(results).find("reliability of choice"), std::string::npos);
}

TEST_F(Evaluate, ClustersAreDrawnAsWholes) {
  samples_of(1, "clusters");
  RecordMap records = read_records(folder_ / "clusters");
  // All of a cluster right or wrong: intervals as wide as for 3 items, not for 21.
  for (auto& [key, record] : records) {
    record["cluster"] = std::to_string(key.second % 3);
    record["grade"]["acc"] = key.second % 3 == 0 ? 1 : 0;
  }
  auto without = results_of(settings_, records)[0];
  settings_.mutable_tasks(0)->set_cluster("{{c}}");
  auto with = results_of(settings_, records)[0];
  EXPECT_EQ(with["clusters"], 3);
  EXPECT_EQ(with["low"], 0) << "three of three draws are a wrong cluster in 8 of 27";
  EXPECT_GT(without["low"], 0.04);
  EXPECT_NEAR(with["stderr"].get<double>(), std::sqrt(7.0 * 7 * (4.0 / 9 + 2.0 / 9)) / 21, 1e-12);
}

TEST_F(Evaluate, ComparisonsPairTheItems) {
  samples_of(1, "a");
  RecordMap a = read_records(folder_ / "a"), b = a;
  b.at({"target", 0})["grade"]["log_likelihood"] =
      a.at({"target", 0})["grade"]["log_likelihood"].get<double>() + 2.1;
  auto comparison = compare_records(a, b, 100, 1);
  bool told = false;
  for (const auto& one : comparison) {
    if (one["task"] != "target" || one["metric"] != "log_likelihood") continue;
    told = true;
    EXPECT_NEAR(one["difference"].get<double>(), 0.1, 1e-12);
    EXPECT_EQ(one["better"], 1);
    EXPECT_EQ(one["worse"], 0);
    EXPECT_EQ(one["sign_p"], 1);
  }
  EXPECT_TRUE(told);
  b.at({"choice", 2})["gold"] = {0, 1};
  EXPECT_THROW(compare_records(a, b, 0, 1), Error) << "other right answers";
  EXPECT_THROW(compare_records(a, {}, 0, 1), Error) << "nothing shared";
}

}  // namespace
}  // namespace sextant::trainer::evaluate_test
