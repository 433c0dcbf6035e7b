#include "trainer/metrics/metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "parallel/base/error.h"

namespace sextant::trainer::metrics_test {
namespace {

using nlohmann::json;

class Metrics : public testing::Test {
 protected:
  Metrics()
      : folder_(std::filesystem::path(testing::TempDir()) / ("metrics_" + std::to_string(::getpid()))) {}
  ~Metrics() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file() const { return folder_ / "metrics.jsonl"; }
  std::string text() const {
    std::ifstream in(file(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  void start_with(const std::string& bytes) const {
    std::filesystem::create_directories(folder_);
    std::ofstream(file(), std::ios::binary) << bytes;
  }
  static StepMetrics at_step(int64_t step) {
    StepMetrics metrics;
    metrics.step = step;
    metrics.loss = 1.0 / static_cast<double>(step + 2);
    return metrics;
  }

  std::filesystem::path folder_;
};

TEST_F(Metrics, FieldsStandInAFixedOrder) {
  StepMetrics metrics{.step = 7,
                      .tokens = 4096,
                      .loss = 0.1,
                      .grad_norm = 2,
                      .learning_rate = 3e-4,
                      .tokens_per_second = 1e6,
                      .mfu = 0.5,
                      .memory_bytes = 1 << 30,
                      .step_seconds = 0.25,
                      .valid_loss = 1.5,
                      .skipped = 1,
                      .seconds = KindSeconds(),
                      .extra = {{"kl", 0.5}}};
  (*metrics.seconds)[TimeKind::kData] = 0.125;
  EXPECT_EQ(metrics_line(metrics),
            "{\"step\": 7, \"tokens\": 4096, \"loss\": 0.10000000000000001, \"grad_norm\": 2.0, "
            "\"learning_rate\": 0.00029999999999999997, \"tokens_per_second\": 1000000.0, \"mfu\": 0.5, "
            "\"memory_bytes\": 1073741824, \"step_seconds\": 0.25, \"valid_loss\": 1.5, \"skipped\": 1, "
            "\"seconds_data\": 0.125, \"seconds_forward\": 0.0, \"seconds_backward\": 0.0, "
            "\"seconds_communication\": 0.0, \"seconds_optimizer\": 0.0, \"seconds_checkpoint\": 0.0, "
            "\"seconds_other\": 0.0, \"kl\": 0.5}");
}

TEST_F(Metrics, FloatsReadBackToTheSameBits) {
  for (double value : {1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 123456789.123456789}) {
    StepMetrics metrics;
    metrics.loss = value;
    double read = json::parse(metrics_line(metrics))["loss"].get<double>();
    EXPECT_EQ(std::signbit(read), std::signbit(value));
    EXPECT_EQ(read, value);
  }
}

TEST_F(Metrics, WhatIsNotFiniteIsNullAndStillJson) {
  StepMetrics metrics;
  metrics.loss = std::nan("");
  metrics.grad_norm = std::numeric_limits<double>::infinity();
  metrics.extra = {{"odd \"name\"\n\xff", -std::numeric_limits<double>::infinity()}};
  json record = json::parse(metrics_line(metrics));
  EXPECT_TRUE(record["loss"].is_null());
  EXPECT_TRUE(record["grad_norm"].is_null());
  EXPECT_FALSE(record.contains("valid_loss"));
  EXPECT_FALSE(record.contains("skipped"));
}

TEST_F(Metrics, EachLineIsInTheFileAtOnce) {
  MetricsLog log(folder_, 0);
  log.write(at_step(1));
  EXPECT_EQ(text(), metrics_line(at_step(1)) + "\n");
  log.write_extra(1, {{"reward", 0.5}, {"kl", std::nan("")}});
  EXPECT_EQ(text(), metrics_line(at_step(1)) + "\n{\"step\": 1, \"reward\": 0.5, \"kl\": null}\n");
}

TEST_F(Metrics, ResumingKeepsStepsUpToTheCheckpoint) {
  std::string kept;
  {
    MetricsLog log(folder_, 0);
    for (int64_t step = 1; step <= 10; ++step) {
      log.write(at_step(step));
      if (step <= 6) kept += metrics_line(at_step(step)) + "\n";
    }
  }
  MetricsLog log(folder_, 6);
  EXPECT_EQ(log.repair().later_lines, 4);
  EXPECT_EQ(log.repair().damaged_lines, 0);
  EXPECT_EQ(text(), kept);
  log.write(at_step(7));
  EXPECT_EQ(text(), kept + metrics_line(at_step(7)) + "\n");
}

TEST_F(Metrics, StartingAnewEmptiesTheFile) {
  start_with("{\"step\": 1, \"loss\": 2}\n");
  MetricsLog log(folder_, 0);
  EXPECT_EQ(text(), "");
}

TEST_F(Metrics, TornAndForeignLinesAreRemoved) {
  start_with(
      "{\"step\": 1}\n{\"step\": 2, \"lo\n[3]\n{\"loss\": 1}\n\n{\"step\": \"4\"}\n{\"step\": 5}\n{\"step\": "
      "6, \"loss\": 1.2");
  MetricsLog log(folder_, 100);
  EXPECT_EQ(text(), "{\"step\": 1}\n{\"step\": 5}\n");
  EXPECT_EQ(log.repair().damaged_lines, 6);
}

TEST_F(Metrics, ALineWithoutItsNewlineIsCompleted) {
  start_with("{\"step\": 1}\n{\"step\": 2}");
  MetricsLog log(folder_, 2);
  EXPECT_EQ(text(), "{\"step\": 1}\n{\"step\": 2}\n");
}

TEST_F(Metrics, AnIntactFileIsLeftAlone) {
  start_with("{\"step\": 1}\n{\"step\": 2}\n");
  auto before = std::filesystem::last_write_time(file());
  MetricsLog log(folder_, 2);
  EXPECT_EQ(std::filesystem::last_write_time(file()), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

// A limit on the file's size stands in for a full disk.
TEST_F(Metrics, AFailedWriteLeavesWholeLines) {
  MetricsLog log(folder_, 0);
  log.write(at_step(1));
  std::string whole = text();

  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = whole.size() + 10;
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  std::string message;
  try {
    log.write(at_step(2));
  } catch (const Error& error) {
    message = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kEnvironment);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_NE(message.find("metrics.jsonl"), std::string::npos) << message;
  EXPECT_NE(message.find("File too large"), std::string::npos) << message;
  EXPECT_EQ(text(), whole);
  log.write(at_step(2));
  EXPECT_EQ(text(), whole + metrics_line(at_step(2)) + "\n");
}

TEST_F(Metrics, AFolderThatCanNotBeMadeIsNamed) {
  start_with("");
  try {
    MetricsLog log(file(), 0);  // a file where the run folder should be
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("metrics.jsonl/metrics.jsonl"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace sextant::trainer::metrics_test
