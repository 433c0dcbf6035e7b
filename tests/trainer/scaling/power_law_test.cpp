#include "trainer/scaling/power_law.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sextant::trainer::power_law_test {
namespace {

constexpr PowerLaw kLaws[] = {{1, PowerLaw::Floor::kNone},
                              {1, PowerLaw::Floor::kConstant},
                              {2, PowerLaw::Floor::kNone},
                              {2, PowerLaw::Floor::kConstant},
                              {2, PowerLaw::Floor::kNone, PowerLaw::Terms::kJoined}};

// Some points near no law in particular.
LogPoints wavy_points(const PowerLaw& law, double spread) {
  LogPoints points;
  points.log_x.resize(static_cast<size_t>(law.terms));
  for (int i = 0; i < 9; ++i) {
    for (auto& variable : points.log_x)
      variable.push_back(2 + std::sin(1.3 * i + static_cast<double>(variable.size())));
    double x[2] = {points.log_x[0].back(), points.log_x.back().back()};
    Parameters at = {0.3, 0.2, 0.4, 0.3, -0.1};
    points.log_y.push_back(law.log_value(at, x) + spread * (0.4 + 0.3 * std::sin(3.7 * i + 1)));
  }
  return points;
}

TEST(PowerLaw, IsTheSumItSays) {
  // 8 / 4^0.5 + 9 / 3^2 + 2 = 4 + 1 + 2.
  double x[2] = {std::log(4.0), std::log(3.0)};
  PowerLaw law{2, PowerLaw::Floor::kConstant};
  EXPECT_NEAR(std::exp(law.log_value({std::log(8.0), std::log(9.0), 0.5, 2, std::log(2.0)}, x)), 7, 1e-14);
  PowerLaw one{1, PowerLaw::Floor::kNone};
  EXPECT_NEAR(std::exp(one.log_value({std::log(8.0), 0.5}, x)), 4, 1e-14);
  // (8 / 4^0.5 + 15 / 3)^0.5 = 9^0.5.
  PowerLaw joined{2, PowerLaw::Floor::kNone, PowerLaw::Terms::kJoined};
  EXPECT_NEAR(std::exp(joined.log_value({std::log(8.0), std::log(15.0), 0.5, 0.5}, x)), 3, 1e-14);
}

TEST(HuberOfLogs, AddsParabolaAndLines) {
  // The law is 1 everywhere: residuals are -log y.
  PowerLaw law{1, PowerLaw::Floor::kNone};
  LogPoints points{{{0, 1, 2}}, {0.0005, -0.01, 0.2}};
  Expansion e;
  HuberOfLogs(law, points).expand({0, 0}, e);
  EXPECT_NEAR(e.value, 0.0005 * 0.0005 / 2 + 1e-3 * (0.01 - 0.0005) + 1e-3 * (0.2 - 0.0005), 1e-18);
  // Slopes: -0.0005, +0.001, -0.001.
  EXPECT_NEAR(e.gradient[0], -0.0005, 1e-18);
  EXPECT_NEAR(e.gradient[1], -(0.001 * 1 - 0.001 * 2), 1e-18);
  HuberOfLogs(law, points, 1e-3, {2, 0, 1}).expand({0, 0}, e);
  EXPECT_NEAR(e.value, 0.0005 * 0.0005 + 1e-3 * (0.2 - 0.0005), 1e-18);
}

TEST(HuberOfLogs, GradientIsTheDifferenceQuotient) {
  constexpr double kStep = 1e-6;
  for (const PowerLaw& law : kLaws) {
    for (double spread : {1e-3, 0.03, 1.0}) {  // within delta, beyond it, far
      LogPoints points = wavy_points(law, spread);
      HuberOfLogs objective(law, points);
      Parameters at = {0.31, 0.18, 0.42, 0.29, -0.12};
      Expansion here, above, below;
      objective.expand(at, here);
      for (int i = 0; i < law.parameters(); ++i) {
        Parameters up = at, down = at;
        up[static_cast<size_t>(i)] += kStep;
        down[static_cast<size_t>(i)] -= kStep;
        objective.expand(up, above);
        objective.expand(down, below);
        // Central differences: 1e-12 of third derivatives, 1e-10 of rounding; slopes are up to 1e-3 a point.
        EXPECT_NEAR(here.gradient[static_cast<size_t>(i)], (above.value - below.value) / (2 * kStep), 1e-9)
            << law.terms << " terms, parameter " << i << ", spread " << spread;
      }
    }
  }
}

TEST(HuberOfLogs, HessianNearThePointsIsTheGradientsDifferenceQuotient) {
  constexpr double kStep = 1e-7;
  for (const PowerLaw& law : kLaws) {
    LogPoints points = wavy_points(law, 0.0);
    for (double delta : {1.0, 0.02}) {  // all within delta; some within, some on the lines, none at 50 of it
      for (size_t i = 0; i < points.size(); ++i) points.log_y[i] += i % 2 == 0 ? 0.05 : 0;
      HuberOfLogs objective(law, points, delta);
      Parameters at = {0.305, 0.196, 0.402, 0.299, -0.103};
      Expansion here, above, below;
      objective.expand(at, here);
      for (size_t i = 0; i < static_cast<size_t>(law.parameters()); ++i) {
        Parameters up = at, down = at;
        up[i] += kStep;
        down[i] -= kStep;
        objective.expand(up, above);
        objective.expand(down, below);
        for (size_t j = 0; j < static_cast<size_t>(law.parameters()); ++j) {
          double quotient = (above.gradient[j] - below.gradient[j]) / (2 * kStep);
          EXPECT_NEAR(here.hessian[i][j], quotient, 1e-6 * std::max(1.0, std::abs(quotient)))
              << i << " " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::power_law_test
