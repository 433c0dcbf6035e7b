#include "trainer/scaling/points.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/data/scratch_folder.h"
#include "trainer/scaling/capability.h"

namespace sextant::trainer::points_test {
namespace {

using data::expect_has;
using data::message_of;

class PointsTest : public ::testing::Test {
 protected:
  std::string refusal(const std::string& bytes, const PointColumns& columns, ScalingForm form,
                      size_t drop = 0) {
    auto file = folder_.write("p.csv", bytes);
    return message_of([&] { read_points(file, columns, form, drop); });
  }
  std::string capability_refusal(const std::string& bytes, const std::vector<std::string>& left_out = {}) {
    auto file = folder_.write("c.csv", bytes);
    return message_of([&] { read_capability(file, {"C", "pass", "bucket"}, left_out); });
  }
  data::ScratchFolder folder_;
};

const std::string kRuns =
    "N,C,loss\n10,600,3\n20,1200,2.5\n30,3600,9\n40,4800,2.2\n50,9000,2.1\n60,9000,2.05\n70,8400,2\n";

TEST_F(PointsTest, TokensAreComputeOverSixParameters) {
  auto file = folder_.write("p.csv", kRuns);
  Points points = read_points(file, {"N", "", "C", "loss"}, ScalingForm::kChinchilla, 1);
  EXPECT_EQ(points.records, 7u);
  EXPECT_EQ(points.dropped, 1u);
  ASSERT_EQ(points.logs.size(), 6u);  // by loss: the 9 is gone
  EXPECT_DOUBLE_EQ(points.logs.log_y.back(), std::log(3));
  EXPECT_DOUBLE_EQ(points.logs.log_x[0].back(), std::log(10));
  EXPECT_DOUBLE_EQ(points.logs.log_x[1].back(), std::log(600.0 / 60));
  EXPECT_DOUBLE_EQ(points.logs.log_x[1].front(), std::log(8400.0 / 420));
}

TEST_F(PointsTest, ComputeIsSixTimesParametersTimesTokens) {
  auto file = folder_.write("p.csv", "N,D,loss\n10,5,3\n20,5,2.5\n20,10,2.2\n40,10,2.1\n40,20,2\n");
  Points points = read_points(file, {"N", "D", "", "loss"}, ScalingForm::kLoss, 0);
  EXPECT_DOUBLE_EQ(points.logs.log_x[0].back(), std::log(300.0));
}

TEST_F(PointsTest, RefusesWhatCanNotBeFitted) {
  PointColumns all{"N", "", "C", "loss"};
  expect_has(refusal(kRuns, {"N", "", "", "loss"}, ScalingForm::kChinchilla), "one of the two");
  expect_has(refusal(kRuns, {"", "", "C", "loss"}, ScalingForm::kChinchilla), "--parameters COLUMN");
  expect_has(refusal(kRuns, {"N", "", "C", ""}, ScalingForm::kChinchilla), "--loss COLUMN");
  expect_has(refusal(kRuns, all, ScalingForm::kLoss), "--flops COLUMN alone");
  expect_has(refusal(kRuns, all, ScalingForm::kChinchilla, 2),
             "5 points are left for a law of 5 parameters; give 6");
  expect_has(refusal(kRuns, all, ScalingForm::kChinchilla, 99), "0 points are left");
  expect_has(refusal("N,C,loss\n10,600,3\n20,1200,0\n", all, ScalingForm::kChinchilla),
             "p.csv:3: column \"loss\" is 0");
  expect_has(refusal("N,C,loss\n10,600,3\n-20,1200,1\n", all, ScalingForm::kChinchilla),
             "column \"N\" is -20");
  expect_has(refusal("N,C,loss\n10,600,nan\n", all, ScalingForm::kChinchilla),
             "p.csv:2: column \"loss\" is \"nan\"");
  expect_has(refusal("C,loss\n5,1\n5,2\n5,3\n5,4\n", {"", "", "C", "loss"}, ScalingForm::kLoss),
             "same in all points");
}

TEST_F(PointsTest, NamesWhatStandsAtABound) {
  EXPECT_TRUE(at_bound(ScalingForm::kChinchilla, {6, 7, 0.3, 0.4, 0.5}).empty());
  EXPECT_EQ(at_bound(ScalingForm::kChinchilla, {6, 7, 0.3, 5, -30}), (std::vector<std::string>{"E", "beta"}));
  EXPECT_EQ(at_bound(ScalingForm::kCapability, {6, 0}), (std::vector<std::string>{"k"}));
  EXPECT_EQ(named(ScalingForm::kLoss, {0, 0.5, 0})[1].value, -0.5);
}

TEST_F(PointsTest, CapabilityIsTheMeanOfLogPassRatesOfABucket) {
  std::string csv = "C,pass,bucket\n";
  for (int i = 1; i <= 3; ++i) {
    csv += std::to_string(i) + "00,0.5,easy\n" + std::to_string(i) + "00,0.25,easy\n";
    csv += std::to_string(i) + "00,0,hard\n";
  }
  auto file = folder_.write("c.csv", csv);
  auto buckets = read_capability(file, {"C", "pass", "bucket"}, {"hard"});
  ASSERT_EQ(buckets.size(), 1u);
  EXPECT_EQ(buckets[0].name, "easy");
  EXPECT_EQ(buckets[0].problems, 6u);
  ASSERT_EQ(buckets[0].points.size(), 3u);
  EXPECT_NEAR(buckets[0].points.log_y[0], std::log(1.5 * std::log(2.0)), 1e-15);  // (log 2 + log 4) / 2
  EXPECT_DOUBLE_EQ(buckets[0].points.log_x[0][2], std::log(300));
  expect_has(capability_refusal(csv), "a pass rate of 0 has no logarithm");
}

TEST_F(PointsTest, CapabilityRefusals) {
  expect_has(capability_refusal("C,pass,bucket\n1,1.5,a\n"), "c.csv:2: a pass rate of 1.5");
  expect_has(capability_refusal("C,pass,bucket\n1,-0.5,a\n"), "a pass rate of -0.5");
  expect_has(capability_refusal("C,pass,bucket\n0,0.5,a\n"), "no amount of compute");
  expect_has(capability_refusal("C,pass,bucket\n1,1,a\n2,0.5,a\n3,0.5,a\n"), "always solved at 1 FLOPs");
  expect_has(capability_refusal("C,pass,bucket\n1,0.4,a\n2,0.5,a\n"), "bucket \"a\": 2 points are left");
  expect_has(capability_refusal("C,pass,bucket\n1,0.4,a\n", {"b"}), "no bucket \"b\" to leave out");
  expect_has(capability_refusal("C,pass,bucket\n1,0.4,a\n", {"a"}), "no records are left");
}

}  // namespace
}  // namespace sextant::trainer::points_test
