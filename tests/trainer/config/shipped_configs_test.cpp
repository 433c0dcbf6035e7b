// Every YAML that we ship is loaded, checked and resolved: runs here, and what stands in configs/ladders and
// configs/evals.
// Those of alignment are in tests/rlhf: configs/rlhf in stage_run_test.cpp, configs/rubrics in
// rubric_test.cpp.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/harness/checkout.h"
#include "tests/trainer/config/config_text.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"
#include "trainer/evaluation/load_eval.h"
#include "trainer/scaling/ladder.h"
#include "trainer/scaling/task_logs.h"

namespace sextant::trainer::shipped_configs_test {
namespace {

namespace fs = std::filesystem;

enum class Shipped { kRuns, kLadders, kEvals };

std::vector<fs::path> shipped(Shipped kind = Shipped::kRuns) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(harness::checkout() / "configs")) {
    std::string extension = entry.path().extension();
    std::string folder = entry.path().parent_path().filename();
    if (folder == "rlhf" || folder == "rubrics") continue;
    Shipped here = folder == "ladders" ? Shipped::kLadders
                   : folder == "evals" ? Shipped::kEvals
                                       : Shipped::kRuns;
    if (entry.is_regular_file() && (extension == ".yaml" || extension == ".yml") && here == kind)
      files.push_back(entry.path());
  }
  return files;
}

TEST(ShippedConfigs, LoadAndHoldTogether) {
  ASSERT_GE(shipped().size(), 2u);
  for (const fs::path& file : shipped()) {
    SCOPED_TRACE(file);
    Origins origins;
    trainer::Run run;
    ASSERT_NO_THROW(run = load_run(file, {}, &origins));
    EXPECT_EQ(complaints_text(complaints(run, 0), origins), "");
    fill_defaults(run, 32000);
    EXPECT_EQ(to_yaml(run), to_yaml(run_of(to_yaml(run))));
  }
}

TEST(ShippedConfigs, LaddersLoadAndHoldTogether) {
  ASSERT_GE(shipped(Shipped::kLadders).size(), 1u);
  for (const fs::path& file : shipped(Shipped::kLadders)) {
    SCOPED_TRACE(file);
    Origins origins;
    if (!file.stem().string().ends_with("_tasks")) {
      ScalingLadder runs;
      ASSERT_NO_THROW(load_config(file, {}, runs, &origins));
      EXPECT_EQ(complaints_text(ladder_complaints(runs), origins), "");
      EXPECT_TRUE(fs::exists(harness::checkout() / runs.base()));
      continue;
    }
    TaskLadder ladder;
    ASSERT_NO_THROW(load_config(file, {}, ladder, &origins));
    EXPECT_EQ(complaints_text(task_ladder_complaints(ladder), origins), "");
  }
}

TEST(ShippedConfigs, EvalsLoadAndHoldTogether) {
  ASSERT_GE(shipped(Shipped::kEvals).size(), 10u);
  for (const fs::path& file : shipped(Shipped::kEvals)) {
    SCOPED_TRACE(file);
    if (file.filename() == "openai.yaml") continue;  // whose tasks are a registry's
    ASSERT_NO_THROW(load_eval(file, {"eval.checkpoint=x"}, nullptr));
  }
}

TEST(ShippedConfigs, NameTheSchemaWhereItIs) {
  std::vector<fs::path> files = shipped();
  for (const fs::path& file : shipped(Shipped::kEvals)) files.push_back(file);
  for (const fs::path& file : files) {
    SCOPED_TRACE(file);
    std::string line;
    std::ifstream stream(file);
    std::getline(stream, line);
    const std::string start = "# yaml-language-server: $schema=";
    ASSERT_TRUE(line.starts_with(start)) << line;
    EXPECT_TRUE(fs::exists(file.parent_path() / line.substr(start.size()))) << line;
  }
}

}  // namespace
}  // namespace sextant::trainer::shipped_configs_test
