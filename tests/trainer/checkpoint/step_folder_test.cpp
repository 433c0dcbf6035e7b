#include "trainer/checkpoint/step_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/durable_file.h"
#include "tests/trainer/checkpoint/state.h"

namespace sextant::trainer::testing::step_folder_test {
namespace {

using StepFolder = TemporaryFolder;

TEST(StepFolderName, OnlyTheOneWayOfWritingANumberCounts) {
  EXPECT_EQ(step_folder_name(100), "step-00000100");
  EXPECT_EQ(step_folder_name(1234567890), "step-1234567890");
  for (int64_t step : {int64_t{0}, int64_t{100}, int64_t{99999999}, int64_t{100000000}, INT64_MAX}) {
    EXPECT_EQ(step_of_folder(step_folder_name(step)), step);
  }
  for (const char* name : {"step-100", "step-", "step-000000100", "step--0000100", "step-0000010x",
                           "step-+0000100", ".saving-step-00000100", "step-00000100.old", "Step-00000100",
                           "step-99999999999999999999", "step-00000100/.."}) {
    EXPECT_EQ(step_of_folder(name), std::nullopt) << name;
  }
}

TEST_F(StepFolder, TheNewestIsFoundByNumber) {
  EXPECT_EQ(newest_checkpoint(folder_ / "absent"), std::nullopt);
  EXPECT_EQ(newest_checkpoint(folder_), std::nullopt);
  for (const char* name : {"step-99999999", "step-100000000", ".saving-step-100000001",
                           ".removing-step-100000002", "step-latest", "step-00000007"}) {
    fs::create_directories(folder_ / name);
  }
  EXPECT_EQ(newest_checkpoint(folder_), folder_ / "step-100000000");
  EXPECT_EQ(published_steps(folder_), (std::vector<int64_t>{7, 99999999, 100000000}));
}

TEST(Retention, KeepsTheLastAndTheMultiples) {
  std::vector<int64_t> published{10, 20, 30, 40, 50, 60};
  EXPECT_EQ(steps_to_remove(published, 60, {2, 0}), (std::vector<int64_t>{10, 20, 30, 40}));
  EXPECT_EQ(steps_to_remove(published, 60, {2, 20}), (std::vector<int64_t>{10, 30}));
  EXPECT_EQ(steps_to_remove(published, 60, {6, 0}), (std::vector<int64_t>{}));
  EXPECT_EQ(steps_to_remove(published, 60, {0, 0}), (std::vector<int64_t>{10, 20, 30, 40, 50}));
  // After going back to an earlier step the one just written is not the highest: it stays all the same.
  EXPECT_EQ(steps_to_remove(published, 20, {1, 0}), (std::vector<int64_t>{10, 30, 40, 50}));
  EXPECT_EQ(steps_to_remove({}, 0, {1, 0}), (std::vector<int64_t>{}));
}

TEST_F(StepFolder, LeftOversGoAndNothingElse) {
  auto names = [&] {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_))
      found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
  };
  for (const char* name :
       {".saving-step-00000300", ".removing-step-00000010", "step-00000200", ".saving-notes"}) {
    fs::create_directories(folder_ / name);
    data::write_file(folder_ / name / "rank-00000.safetensors", "half");
  }
  data::write_file(folder_ / "notes.txt", "mine");
  remove_left_overs(folder_, LeftOvers::kRetired);
  EXPECT_EQ(names(), (std::vector<std::string>{".saving-notes", ".saving-step-00000300", "notes.txt",
                                               "step-00000200"}));
  remove_left_overs(folder_, LeftOvers::kDeadSaves);
  EXPECT_EQ(names(), (std::vector<std::string>{".saving-notes", "notes.txt", "step-00000200"}));
}

TEST_F(StepFolder, PublishingReplacesAndRetiringHides) {
  auto save = [&](const std::string& text) {
    fs::create_directories(folder_ / saving_folder_name(5));
    data::write_file(folder_ / saving_folder_name(5) / "content", text);
    publish_step(folder_, 5);
  };
  save("first");
  save("second");
  save("third");  // over a retired folder that nobody removed yet
  EXPECT_EQ(data::read_file(folder_ / "step-00000005/content"), "third");
  EXPECT_EQ(data::read_file(folder_ / ".removing-step-00000005/content"), "second");
  retire_step(folder_, 5);
  EXPECT_EQ(published_steps(folder_), std::vector<int64_t>());
  expect_error(ErrorKind::kEnvironment, {"step-00000005", "No such file"}, [&] { retire_step(folder_, 5); });
}

}  // namespace
}  // namespace sextant::trainer::testing::step_folder_test
