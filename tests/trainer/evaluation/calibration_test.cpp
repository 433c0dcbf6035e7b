#include "trainer/evaluation/calibration.h"

#include <gtest/gtest.h>

#include "tests/harness/golden.h"

namespace sextant::trainer::calibration_test {
namespace {

std::vector<Judgement> golden_judgements(const golden::Json& file) {
  std::vector<Judgement> judgements;
  for (size_t i = 0; i < file["right"].size(); ++i)
    judgements.push_back({file["confidences"][i].get<double>(), file["right"][i].get<double>()});
  return judgements;
}

TEST(Calibration, ErrorsAreNumpys) {
  auto file = golden::load("evaluation.json")["calibration"];
  std::vector<ReliabilityBin> bins = empty_bins(0, 1, 10);
  for (const Judgement& judgement : golden_judgements(file)) add_to_bins(bins, judgement);
  EXPECT_NEAR(calibration_error(bins), file["equal_width"].get<double>(), 1e-12);
  std::vector<ReliabilityBin> equal = bins_of_equal_mass(golden_judgements(file), 10);
  EXPECT_NEAR(calibration_error(equal), file["equal_mass"].get<double>(), 1e-12);
  ASSERT_EQ(equal.size(), 10u);
  EXPECT_EQ(equal[0].count, 11) << "102 = 11 + 11 + 8 * 10";
  EXPECT_EQ(equal[2].count, 10);
}

TEST(Calibration, FewOrNoJudgements) {
  EXPECT_EQ(calibration_error(empty_bins(0, 1, 10)), 0);
  EXPECT_EQ(bins_of_equal_mass({{0.5, 1}, {0.25, 0}}, 10).size(), 2u);
  std::vector<ReliabilityBin> bins = empty_bins(0.5, 1, 2);
  add_to_bins(bins, {0.5, 1});
  add_to_bins(bins, {0.75, 1});
  add_to_bins(bins, {1.0000001, 1});
  EXPECT_EQ(bins[0].count, 2) << "the lowest confidence and a bin's upper end belong to it";
  EXPECT_EQ(bins[1].count, 1) << "what rounding puts above 1 is in the last one";
}

}  // namespace
}  // namespace sextant::trainer::calibration_test
