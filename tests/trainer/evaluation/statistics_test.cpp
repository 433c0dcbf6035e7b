#include "trainer/evaluation/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/harness/golden.h"

namespace sextant::trainer::statistics_test {
namespace {

constexpr double kFp64 = 1e-12;

class Statistics : public testing::Test {
 protected:
  golden::Json golden_ = golden::load("evaluation.json");
  golden::Json file_ = golden_["statistics"];
  std::vector<double> values_ = golden::numbers(file_["values"]);
};

TEST_F(Statistics, MeanAndErrorAreScipys) {
  Estimate estimate = mean_of(values_);
  EXPECT_NEAR(estimate.value, file_["mean"].get<double>(), kFp64);
  EXPECT_NEAR(estimate.error, file_["error"].get<double>(), kFp64);
  EXPECT_EQ(estimate.n, 60);
  EXPECT_TRUE(std::isnan(mean_of({2.5}).error)) << "one value says nothing of its spread";
}

TEST_F(Statistics, ClustersCountTheirPairs) {
  auto clusters = file_["clusters"].get<std::vector<std::string>>();
  Estimate estimate = mean_of_clusters(values_, clusters);
  EXPECT_NEAR(estimate.value, file_["mean"].get<double>(), kFp64);
  EXPECT_NEAR(estimate.error, file_["clustered"].get<double>(), kFp64);
  EXPECT_TRUE(std::isnan(mean_of_clusters({1, 2}, {"a", "a"}).error));
}

TEST_F(Statistics, RatiosAreLinearised) {
  Estimate estimate = ratio_of(values_, golden::numbers(file_["weights"]));
  EXPECT_NEAR(estimate.value, file_["ratio"].get<double>(), kFp64);
  EXPECT_NEAR(estimate.error, file_["ratio_error"].get<double>(), kFp64);
}

TEST_F(Statistics, BootstrapIntervalsAreScipys) {
  auto mean = [&](const std::vector<int64_t>& items) {
    double sum = 0;
    for (int64_t item : items) sum += values_[static_cast<size_t>(item)];
    return sum / static_cast<double>(items.size());
  };
  Interval interval = bootstrap_interval(60, 20000, 7, "a test", mean);
  // Ends of 20,000 resamples scatter by sqrt(p (1 - p) / 20000) / density: 1 % of the interval's length.
  double slack = 0.02 * (file_["interval"][1].get<double>() - file_["interval"][0].get<double>());
  EXPECT_NEAR(interval.low, file_["interval"][0].get<double>(), slack);
  EXPECT_NEAR(interval.high, file_["interval"][1].get<double>(), slack);
  EXPECT_EQ(bootstrap_interval(60, 100, 7, "a test", mean).low,
            bootstrap_interval(60, 100, 7, "a test", mean).low);
  EXPECT_NE(bootstrap_interval(60, 100, 8, "a test", mean).low,
            bootstrap_interval(60, 100, 7, "a test", mean).low);
}

TEST_F(Statistics, PairedComparisonsAreScipys) {
  auto file = golden_["comparison"];
  PairedComparison found = compare_paired(golden::numbers(file["a"]), golden::numbers(file["b"]));
  EXPECT_NEAR(found.difference.value, file["difference"].get<double>(), kFp64);
  EXPECT_NEAR(found.difference.error, file["error"].get<double>(), kFp64);
  EXPECT_EQ(found.better, file["better"].get<int64_t>());
  EXPECT_EQ(found.worse, file["worse"].get<int64_t>());
  EXPECT_NEAR(found.sign_p, file["sign_p"].get<double>(), 1e-10);  // lgamma's rounding
  EXPECT_NEAR(found.normal_p, file["normal_p"].get<double>(), kFp64);
  EXPECT_NEAR(found.correlation, file["correlation"].get<double>(), kFp64);
  for (const auto& sign : file["signs"])
    EXPECT_NEAR(sign_test(sign[0].get<int64_t>(), sign[1].get<int64_t>()) / sign[2].get<double>(), 1, 1e-9);
  EXPECT_EQ(sign_test(0, 0), 1);
  EXPECT_EQ(compare_paired({1, 0, 1}, {1, 0, 1}).normal_p, 1) << "no difference at all";
}

TEST(PassAt, IsTheShareOfDrawsWithARightOne) {
  // All draws of k of 7 samples, of which the first 0 to 7 are right.
  for (unsigned right = 0; right <= 7; ++right) {
    for (int k = 1; k <= 7; ++k) {
      int draws = 0, with = 0;
      for (unsigned drawn = 0; drawn < 128; ++drawn) {
        if (__builtin_popcount(drawn) != k) continue;
        ++draws;
        with += (drawn & ((1U << right) - 1)) != 0 ? 1 : 0;
      }
      EXPECT_NEAR(pass_at(k, 7, right), static_cast<double>(with) / draws, kFp64) << k << " " << right;
    }
  }
  EXPECT_NEAR(pass_at(100, 200, 1), 0.5, kFp64) << "no factorial overflows";
  EXPECT_THROW(pass_at(3, 2, 1), std::logic_error);
}

}  // namespace
}  // namespace sextant::trainer::statistics_test
