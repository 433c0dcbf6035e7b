#include "trainer/scaling/fit_doubts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tests/data/scratch_folder.h"

namespace sextant::trainer::fit_doubts_test {
namespace {

using data::expect_has;

// Losses at 1e12, 4e12 and so on, fitted by L(C) = a C^b + c.
std::vector<std::string> doubts_of(const std::vector<double>& losses, bool repeated = false,
                                   std::optional<int> foretold = {}) {
  LogPoints points;
  points.log_x.resize(1);
  for (size_t i = 0; i < losses.size(); ++i) {
    size_t place = repeated ? i / 2 : i;
    points.log_x[0].push_back(std::log(1e12) + std::log(4.0) * static_cast<double>(place));
    points.log_y.push_back(std::log(losses[i]));
  }
  FitSettings settings;
  settings.form = ScalingForm::kLoss;
  settings.draws = 0;
  if (foretold) {
    settings.draws = 200;
    settings.place = std::vector<double>{std::log(1e12) + std::log(4.0) * *foretold};
  }
  return fit_doubts(settings.form, points, fit_law(points, settings));
}

double on_law(int place) {
  return 1.5 + 60 * std::pow(1e12 * std::pow(4.0, place), -0.12);
}

TEST(FitDoubts, NoneOnALaw) {
  EXPECT_EQ(doubts_of({on_law(0), on_law(1), on_law(2), on_law(3), on_law(4)}), std::vector<std::string>());
}

TEST(FitDoubts, ARunThatLeavesTheOthersCourse) {
  auto doubts = doubts_of({on_law(0), on_law(1), 0.9 * on_law(2), on_law(3), on_law(4)});
  ASSERT_EQ(doubts.size(), 1U);
  expect_has(doubts[0], "lies 9.9 % below the law: these runs");
  doubts = doubts_of(
      {on_law(0), 1.05 * on_law(1), on_law(2), on_law(3), on_law(4), on_law(5), 0.9 * on_law(6), on_law(7)});
  ASSERT_GE(doubts.size(), 1U);
  expect_has(doubts[0], "% below the law, 1 more lie over 2.0 % off");
}

TEST(FitDoubts, SeedsThatDiffer) {
  std::vector<double> losses;
  for (int place = 0; place < 4; ++place) {
    losses.push_back(on_law(place) * 1.007);
    losses.push_back(on_law(place) / 1.007);
  }
  auto doubts = doubts_of(losses, true);
  ASSERT_EQ(doubts.size(), 1U);
  expect_has(doubts[0], "runs of the same size differ by 1.4 %");
}

TEST(FitDoubts, NoLevelToFallTo) {
  std::vector<double> steeper;  // the exponent grows from -0.06 to -0.1
  double log_loss = std::log(4.0);
  for (int place = 0; place < 5; ++place) {
    steeper.push_back(std::exp(log_loss));
    log_loss -= (0.06 + 0.01 * place) * std::log(4.0);
  }
  auto doubts = doubts_of(steeper);
  ASSERT_FALSE(doubts.empty());
  expect_has(doubts.back(), "constant came out as nothing");
}

TEST(FitDoubts, APredictionThatTheRunsDoNotFix) {
  std::vector<double> smooth, rough;
  for (int place = 0; place < 6; ++place) {
    smooth.push_back(on_law(place));
    rough.push_back(on_law(place) * (place % 2 == 0 ? 1.006 : 0.994));
  }
  EXPECT_EQ(doubts_of(smooth, false, 9), std::vector<std::string>());
  auto doubts = doubts_of(rough, false, 9);
  ASSERT_FALSE(doubts.empty());
  expect_has(doubts.back(), "the prediction's interval is");
}

}  // namespace
}  // namespace sextant::trainer::fit_doubts_test
