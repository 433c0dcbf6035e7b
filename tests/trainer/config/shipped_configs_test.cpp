// Every YAML that we ship is loaded, checked and resolved: runs here, and what stands in configs/ladders.
// Those of alignment are in tests/rlhf: configs/rlhf in stage_run_test.cpp, configs/rubrics in
// rubric_test.cpp.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/harness/checkout.h"
#include "tests/trainer/config/config_text.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"
#include "trainer/scaling/task_logs.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;

enum class Shipped { kRuns, kLadders };

std::vector<fs::path> shipped(Shipped kind = Shipped::kRuns) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(harness::checkout() / "configs")) {
    std::string extension = entry.path().extension();
    bool ladder = entry.path().parent_path().filename() == "ladders";
    std::string folder = entry.path().parent_path().filename();
    if (folder == "rlhf" || folder == "rubrics") continue;
    if (entry.is_regular_file() && (extension == ".yaml" || extension == ".yml") &&
        ladder == (kind == Shipped::kLadders))
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
    TaskLadder ladder;
    ASSERT_NO_THROW(load_config(file, {}, ladder, &origins));
    EXPECT_EQ(complaints_text(task_ladder_complaints(ladder), origins), "");
  }
}

TEST(ShippedConfigs, NameTheSchemaWhereItIs) {
  for (const fs::path& file : shipped()) {
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
}  // namespace sextant::trainer
