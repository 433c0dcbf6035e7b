// Fits against scipy's (tests/golden/make_scaling.py).

#include "trainer/scaling/fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/harness/golden.h"
#include "trainer/interval.h"
#include "trainer/scaling/points.h"

namespace sextant::trainer::fit_test {
namespace {

LogPoints golden_points(const golden::Json& entry) {
  LogPoints points;
  for (const auto& variable : entry.at("log_x")) points.log_x.push_back(golden::numbers(variable));
  points.log_y = golden::numbers(entry.at("log_y"));
  return points;
}

std::vector<Parameters> starts_of(ScalingForm form, const LogPoints& points) {
  if (form == ScalingForm::kKaplan) return joined_starts(points);
  return form == ScalingForm::kChinchilla ? chinchilla_starts() : one_power_starts(law_of(form), points);
}

Minimum fitted(const LogPoints& points, ScalingForm form, int threads) {
  return fit(law_of(form), points, starts_of(form, points), threads);
}

const std::pair<const char*, ScalingForm> kGolden[] = {{"chinchilla", ScalingForm::kChinchilla},
                                                       {"kaplan", ScalingForm::kKaplan},
                                                       {"loss", ScalingForm::kLoss},
                                                       {"capability", ScalingForm::kCapability}};

TEST(Fit, FindsTheMinimumThatScipyFinds) {
  golden::Json golden = golden::load("scaling.json");
  for (const auto& [name, form] : kGolden) {
    SCOPED_TRACE(name);
    const golden::Json& entry = golden.at(name);
    Minimum found = fitted(golden_points(entry), form, 2);
    EXPECT_TRUE(found.converged);
    // scipy's last steps are Nelder and Mead's, good to about 1e-9 of the objective: ours may be lower.
    double objective = entry.at("objective").get<double>();
    EXPECT_LE(found.value, objective * (1 + 1e-9));
    EXPECT_GE(found.value, objective * (1 - 1e-6));
    std::vector<double> at = golden::numbers(entry.at("at"));
    // The floor of the valley is flat: parameters are told to the root of the objective's digits.
    for (size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(found.at[i], at[i], 1e-3) << i;
  }
}

TEST(Fit, GivesBackALawWithoutNoise) {
  PowerLaw law = law_of(ScalingForm::kChinchilla);
  Parameters truth = {std::log(400.0), std::log(1800.0), 0.34, 0.36, std::log(1.8)};
  LogPoints points;
  points.log_x.resize(2);
  for (int n = 0; n < 5; ++n) {
    for (int d = 0; d < 5; ++d) {
      double x[2] = {17.0 + n, 20.0 + 1.1 * d};
      points.log_x[0].push_back(x[0]);
      points.log_x[1].push_back(x[1]);
      points.log_y.push_back(law.log_value(truth, x));
    }
  }
  Minimum found = fitted(points, ScalingForm::kChinchilla, 1);
  EXPECT_LT(found.value, 1e-16);
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(found.at[i], truth[i], 1e-4) << i;
}

TEST(Fit, GivesBackKaplansLaw) {
  // The constants of Kaplan et al. 2020, table 2, from sizes and tokens where each of them counts.
  double size = 0.076, tokens = 0.103;
  double values[] = {std::pow(6.4e13, size), std::pow(1.8e13, tokens), size, tokens};
  LogPoints points;
  points.log_x.resize(2);
  for (double n : {1e6, 1e7, 1e8, 1e9}) {
    for (double d : {2e8, 2e9, 2e10}) {
      points.log_x[0].push_back(std::log(n));
      points.log_x[1].push_back(std::log(d));
      points.log_y.push_back(tokens * std::log(std::pow(6.4e13 / n, size / tokens) + 1.8e13 / d));
    }
  }
  Minimum found = fitted(points, ScalingForm::kKaplan, 1);
  EXPECT_LT(found.value, 1e-16);
  std::vector<NamedValue> names = named(ScalingForm::kKaplan, found.at);
  ASSERT_EQ(names.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(names[i].value / values[i], 1, 1e-4) << names[i].name;
}

TEST(Fit, DoesNotDependOnThreads) {
  LogPoints points = golden_points(golden::load("scaling.json").at("chinchilla"));
  Minimum one = fitted(points, ScalingForm::kChinchilla, 1),
          three = fitted(points, ScalingForm::kChinchilla, 3);
  EXPECT_EQ(one.at, three.at);
  EXPECT_EQ(one.value, three.value);
  PowerLaw law = law_of(ScalingForm::kChinchilla);
  EXPECT_EQ(bootstrap(law, points, one.at, 20, 7, 1), bootstrap(law, points, one.at, 20, 7, 3));
  EXPECT_NE(bootstrap(law, points, one.at, 20, 7, 1), bootstrap(law, points, one.at, 20, 8, 1));
}

TEST(Fit, ScreeningLosesNothing) {
  // Against descending from every 23rd start to the end on all points.
  LogPoints points = golden_points(golden::load("scaling.json").at("chinchilla"));
  PowerLaw law = law_of(ScalingForm::kChinchilla);
  HuberOfLogs objective(law, points);
  double lowest = INFINITY;
  std::vector<Parameters> starts = chinchilla_starts();
  for (size_t i = 0; i < starts.size(); i += 23) {
    lowest = std::min(lowest, minimise(objective, law_bounds(law), starts[i]).value);
  }
  EXPECT_LE(fitted(points, ScalingForm::kChinchilla, 2).value, lowest * (1 + 1e-9));
}

TEST(Fit, HasTheStartsOfHoffmannAndOthers) {
  std::vector<Parameters> starts = chinchilla_starts();
  EXPECT_EQ(starts.size(), 4500u);
  EXPECT_EQ((std::set<Parameters>(starts.begin(), starts.end()).size()), 4500u);
}

TEST(Bootstrap, WidensWithTheNoise) {
  golden::Json golden = golden::load("scaling.json");
  LogPoints points = golden_points(golden.at("capability"));
  PowerLaw law = law_of(ScalingForm::kCapability);
  auto width = [&](double scale) {
    LogPoints noisy = points;
    for (size_t i = 0; i < noisy.size(); ++i) {
      double line = 3.0 - 0.09 * noisy.log_x[0][i];
      noisy.log_y[i] = line + scale * (noisy.log_y[i] - line);
    }
    Minimum best = fit(law, noisy, one_power_starts(law, noisy), 1);
    std::vector<double> exponents;
    for (const Parameters& draw : bootstrap(law, noisy, best.at, 200, 1, 1)) exponents.push_back(draw[1]);
    Interval interval = middle_95(exponents);
    EXPECT_LE(interval.low, best.at[1]);
    EXPECT_GE(interval.high, best.at[1]);
    return interval.high - interval.low;
  };
  // Residuals scale the interval: with delta far below both it is an L1 line, nearly linear in the noise.
  EXPECT_NEAR(width(3) / width(1), 3, 1);
}

}  // namespace
}  // namespace sextant::trainer::fit_test
