#include "trainer/report/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "parallel/base/error.h"
#include "trainer/metrics/metrics.h"
#include "trainer/metrics/tensorboard.h"
#include "trainer/report/page.h"
#include "trainer/run.pb.h"

namespace sextant::trainer::report_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

const google::protobuf::Descriptor& always_a_run(const fs::path&) {
  return *Run::descriptor();
}

class Report : public testing::Test {
 protected:
  Report() : home_(fs::path(testing::TempDir()) / ("report_" + std::to_string(::getpid()))) {}
  ~Report() override { fs::remove_all(home_); }

  fs::path folder(const std::string& name) const {
    fs::create_directories(home_ / name);
    return home_ / name;
  }
  static void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }
  static fs::path run(const fs::path& folder, int64_t steps) {
    MetricsLog log(folder, 0);
    for (int64_t step = 1; step <= steps; ++step) {
      StepMetrics metrics;
      metrics.step = step;
      metrics.tokens = 100 * step;
      metrics.loss = 1.0 / static_cast<double>(step);
      metrics.step_seconds = 0.5;
      metrics.mfu = std::nan("");
      if (step % 10 == 0) metrics.valid_loss = 2.0 / static_cast<double>(step);
      log.write(metrics);
    }
    return folder;
  }
  static ordered_json one(const fs::path& folder) {
    return report_of({folder}, always_a_run, "test")["runs"][0];
  }

  fs::path home_;
};

TEST_F(Report, HoldsWhatTheRunWrote) {
  ordered_json run = one(this->run(folder("a"), 30));
  EXPECT_EQ(run["name"], "a");
  EXPECT_EQ(run["final"]["step"], 30);
  EXPECT_EQ(run["final"]["tokens"], 3000);
  EXPECT_EQ(run["final"]["training_seconds"], 15);
  EXPECT_EQ(run["final"]["loss"], 1.0 / 30);
  const ordered_json& held_out = run["curves"]["valid_loss"];
  EXPECT_EQ(held_out["y"], ordered_json({0.2, 0.1, 0.0666667}));
  EXPECT_EQ(run["axes"][held_out["axis"].get<size_t>()]["step"], ordered_json({10, 20, 30}));
  EXPECT_EQ(run["axes"][held_out["axis"].get<size_t>()]["tokens"], ordered_json({1000, 2000, 3000}));
  EXPECT_EQ(run["curves"]["loss"]["axis"], run["curves"]["grad_norm"]["axis"])
      << "shared where lines are the same";
  EXPECT_FALSE(run["curves"].contains("mfu")) << "the peak was never known";
}

TEST_F(Report, LongRunsAreThinned) {
  ordered_json run = one(this->run(folder("a"), 5000));
  EXPECT_LE(run["curves"]["loss"]["y"].size(), 2000U);
  EXPECT_EQ(run["curves"]["loss"]["y"].front(), 1);
  EXPECT_EQ(run["final"]["step"], 5000);
}

TEST_F(Report, DamageIsNamedAndPassedOver) {
  fs::path folder = this->run(this->folder("a"), 3);
  std::ofstream(folder / "metrics.jsonl", std::ios::app)
      << "[1]\n{\"loss\": 3}\n{\"step\": 4, \"tokens\": 400, \"loss\": null, \"odd\": \"text\"}\n{\"step\": "
         "5, \"lo";
  write(folder / "samples.jsonl", "{\"step\": 1, \"prompt\": \"p\", \"text\": \"t\"}\nnothing\n");
  ordered_json run = one(folder);
  EXPECT_EQ(run["final"]["step"], 4);
  EXPECT_EQ(run["final"]["loss"], 1.0 / 3);
  EXPECT_EQ(run["samples"].size(), 1U);
  std::string notes = run["notes"].dump();
  EXPECT_NE(notes.find("3 damaged lines of metrics.jsonl"), std::string::npos) << notes;
  EXPECT_NE(notes.find("metrics.jsonl:4"), std::string::npos) << notes;
  EXPECT_NE(notes.find("loss was not finite in 1 line, first at step 4"), std::string::npos) << notes;
  EXPECT_NE(notes.find("1 damaged line of samples.jsonl"), std::string::npos) << notes;
  EXPECT_NE(notes.find("no settings"), std::string::npos) << notes;
}

TEST_F(Report, StartsComeFromEventFiles) {
  fs::path folder = this->run(this->folder("a"), 3);
  TensorBoardLog second(folder, 2, [] { return 2000.0; });
  TensorBoardLog first(folder, 0, [] { return 1000.0; });
  first.write(1, {{"train/loss", 1}});
  write(folder / "events.out.tfevents.3.host.1", std::string(600, '\xff'));
  write(folder / "events.out.tfevents.4.host.1", "");
  EXPECT_EQ(
      one(folder)["starts"],
      ordered_json::parse(R"([{"seconds": 1000.0, "from_step": 0}, {"seconds": 2000.0, "from_step": 2}])"));
}

TEST_F(Report, SettingsSayWhatWasChanged) {
  fs::path folder = this->run(this->folder("a"), 3);
  write(folder / "config.yaml",
        "run: {steps: 7, seed: 1}\noptimizer: {learning_rate: 1e-3}\n"
        "data: {tokenizer: t.json, train: [{prefix: a}]}\n");
  ordered_json run = one(folder);
  EXPECT_EQ(run["stage"], "pretrain");
  std::map<std::string, ordered_json> settings;
  for (const ordered_json& setting : run["settings"]) settings[setting["key"]] = setting;
  EXPECT_EQ(settings["run.steps"]["value"], "7");
  EXPECT_EQ(settings["run.steps"]["default"], "1000");
  EXPECT_EQ(settings["run.steps"]["changed"], true);
  EXPECT_EQ(settings["run.seed"]["changed"], false);
  EXPECT_EQ(settings["data.train.0.prefix"]["value"], "a") << run["settings"].dump(1);
}

TEST_F(Report, SamplesOfManyStepsAreChosen) {
  fs::path folder = this->run(this->folder("a"), 3);
  std::ofstream file(folder / "samples.jsonl");
  for (int step = 1; step <= 500; ++step)
    file << R"({"step": )" << step << R"(, "prompt": "p", "text": ")" << std::string(9000, 'x') << "\"}\n";
  file.close();
  ordered_json samples = one(folder)["samples"];
  EXPECT_EQ(samples.size(), 40U);
  EXPECT_EQ(samples.front()["step"], 1);
  EXPECT_EQ(samples.back()["step"], 500);
  EXPECT_LT(samples[0]["text"].get<std::string>().size(), 4100U);
}

TEST_F(Report, NamesAreToldApart) {
  auto report =
      report_of({this->run(folder("x/a"), 2), this->run(folder("y/a"), 2), this->run(folder("b"), 2)},
                always_a_run, "test");
  EXPECT_EQ(report["runs"][0]["name"], (home_ / "x/a").string());
  EXPECT_EQ(report["runs"][1]["name"], (home_ / "y/a").string());
  EXPECT_EQ(report["runs"][2]["name"], "b");
  std::string table = report_table(report);
  EXPECT_NE(table.find("loss"), std::string::npos) << table;
  EXPECT_NE(table.find("0.5"), std::string::npos) << table;
}

TEST_F(Report, RefusesWhatIsNoRun) {
  fs::path run = this->run(folder("runs/a"), 2);
  auto fault = [&](const std::vector<fs::path>& paths) -> std::string {
    try {
      report_of(paths, always_a_run, "test");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "none";
  };
  EXPECT_NE(fault({home_ / "runs"}).find("the runs in it are " + run.string()), std::string::npos);
  EXPECT_NE(fault({home_ / "nothing"}).find("there is no such folder"), std::string::npos);
  write(folder("eval") / "results.json", R"([{"task": "t", "metric": "acc", "n": "many"}])");
  EXPECT_NE(fault({home_ / "eval"}).find("it is not what `sextant eval` writes"), std::string::npos);
  write(folder("safety") / "safety.json", R"({"models": [], "failures": []})");
  EXPECT_NE(fault({home_ / "safety"}).find("it is not what `sextant safety` writes"), std::string::npos);
  write(home_ / "found.json", "[");
  EXPECT_NE(fault({home_ / "found.json"}).find("it is not what `sextant data contamination"),
            std::string::npos);
  EXPECT_NE(fault({run, run / ""}).find("given twice"), std::string::npos);
  write(folder("empty") / "metrics.jsonl", "\n");
  EXPECT_NE(fault({home_ / "empty"}).find("the run has not begun"), std::string::npos);
}

TEST_F(Report, TakesOfAnEvaluationWhatIsKnown) {
  write(folder("e") / "results.json",
        R"([{"task": "t", "metric": "ece", "value": 0.25, "stderr": null, "n": 4, "other": "x", "bins":
           [{"low": 0, "high": 1, "n": 4, "confidence": 0.75, "accuracy": 0.5}]}])");
  ordered_json report = report_of({home_ / "e"}, always_a_run, "test");
  EXPECT_TRUE(report["runs"].empty());
  EXPECT_EQ(report["evals"][0]["name"], "e");
  ordered_json result = report["evals"][0]["results"][0];
  EXPECT_EQ(result["value"], 0.25);
  EXPECT_TRUE(result["stderr"].is_null());
  EXPECT_FALSE(result.contains("other"));
  EXPECT_EQ(result["bins"][0]["confidence"], 0.75);
  EXPECT_NE(report_table(report).find("0.2500"), std::string::npos);
}

TEST_F(Report, SafetyModelsHaveTheSameMeasures) {
  ordered_json share{{"share", 0.5}, {"low", 0.25}, {"high", 0.75}, {"answers", 8}, {"subjects", 2}};
  ordered_json safety{{"models", ordered_json::array()}, {"failures", {"too much"}}};
  for (const char* name : {"before", "after"})
    safety["models"].push_back({{"name", name}, {"checkpoint", "c"}, {"measures", {{"refusal", share}}}});
  write(folder("s") / "safety.json", safety.dump());
  write(folder("s") / "samples.jsonl", R"({"model": "before", "prompt": "p", "text": "t"})"
                                       "\n"
                                       R"({"model": "before", "prompt": "p", "text": "another"})"
                                       "\n{\n");
  ordered_json part = report_of({home_ / "s"}, always_a_run, "test")["safety"][0];
  EXPECT_EQ(part["models"][1]["measures"]["refusal"], share);
  EXPECT_EQ(part["failures"][0], "too much");
  EXPECT_EQ(part["samples"].size(), 1U) << "the first answer of each model to a prompt";
  EXPECT_EQ(part["notes"].size(), 1U);
  safety["models"][1]["measures"] = {{"another", share}};
  write(folder("s") / "safety.json", safety.dump());
  EXPECT_THROW(report_of({home_ / "s"}, always_a_run, "test"), Error);
}

TEST(Page, NoTextBecomesMarkup) {
  ordered_json hostile{{"a", "</script><!--<script>"}, {"\xff<", "\xe2\x80\xa8{script}{report}"}};
  std::string inside = json_in_html(hostile);
  EXPECT_EQ(inside.find('<'), std::string::npos);
  EXPECT_TRUE(std::all_of(inside.begin(), inside.end(), [](char c) { return c >= ' ' && c <= '~'; }))
      << inside;
  EXPECT_EQ(ordered_json::parse(inside)["a"], hostile["a"]);
  std::string page = page_of(hostile);
  EXPECT_NE(page.find(inside), std::string::npos);
  EXPECT_EQ(page.find("sourceMappingURL"), std::string::npos);
  EXPECT_EQ(page.find("{policy}"), std::string::npos);
}

}  // namespace
}  // namespace sextant::trainer::report_test
