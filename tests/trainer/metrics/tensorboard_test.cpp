#include "trainer/metrics/tensorboard.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/harness/checkout.h"

namespace sextant::trainer::tensorboard_test {
namespace {

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The bytes behind lines of hexadecimal digits.
std::string golden(const std::string& name) {
  std::string digits = bytes_of(harness::checkout() / "tests/golden" / name);
  std::erase(digits, '\n');
  std::string bytes;
  for (size_t at = 0; at + 1 < digits.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
  }
  return bytes;
}

class TensorBoard : public testing::Test {
 protected:
  TensorBoard()
      : folder_(std::filesystem::path(testing::TempDir()) / ("tensorboard_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~TensorBoard() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(TensorBoard, ChecksumsAreCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

TEST_F(TensorBoard, EventFileHasTheGoldenBytes) {
  TensorBoardLog log(folder_, 300, [] { return 1700000000.25; });
  log.write(301, {{"train/loss", 2.5}, {"extra/reward", -0.125}});
  log.write(302, {{"train/loss", 1e30}, {"speed/mfu", std::nan("")}});

  std::string expected = golden("tensorboard.hex");
  ASSERT_GT(expected.size(), 100u);
  EXPECT_EQ(bytes_of(log.path()), expected);
}

TEST_F(TensorBoard, FileNamesSortByTimeAndNeverCollide) {
  TensorBoardLog first(folder_, 0, [] { return 1700000000.0; });
  TensorBoardLog second(folder_, 0, [] { return 1700000000.0; });
  EXPECT_TRUE(first.path().filename().string().starts_with("events.out.tfevents.1700000000."));
  EXPECT_NE(first.path(), second.path());
}

TEST_F(TensorBoard, MetricsGetTags) {
  StepMetrics metrics;
  metrics.loss = 3;
  metrics.valid_loss = 4;
  metrics.seconds.emplace()[TimeKind::kBackward] = 0.5;
  metrics.extra = {{"reward", 1.5}, {"probe/accuracy", 0.25}};
  Scalars scalars = tensorboard_scalars(metrics);
  auto value = [&](const std::string& tag) {
    for (const auto& [name, number] : scalars) {
      if (name == tag) return number;
    }
    return std::nan("");
  };
  EXPECT_EQ(value("train/loss"), 3);
  EXPECT_EQ(value("valid/loss"), 4);
  EXPECT_EQ(value("seconds/backward"), 0.5);
  EXPECT_EQ(value("extra/reward"), 1.5);
  EXPECT_EQ(value("probe/accuracy"), 0.25);
}

}  // namespace
}  // namespace sextant::trainer::tensorboard_test
