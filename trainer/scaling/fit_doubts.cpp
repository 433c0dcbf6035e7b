#include "trainer/scaling/fit_doubts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace sextant::trainer {
namespace {

// A constant below this share of the lowest point is nothing.
constexpr double kNothing = 1e-3;

std::vector<double> place_of(const LogPoints& points, size_t point) {
  std::vector<double> place;
  place.reserve(points.log_x.size());
  for (const auto& log_x : points.log_x) place.push_back(log_x[point]);
  return place;
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

void points_off(const PowerLaw& law, const LogPoints& points, const FittedLaw& fitted,
                std::vector<std::string>& doubts) {
  std::vector<std::pair<double, size_t>> off;  // measured / law - 1, point
  for (size_t i = 0; i < points.size(); ++i) {
    double by = std::expm1(points.log_y[i] - law.log_value(fitted.best.at, place_of(points, i).data()));
    if (std::abs(by) > kFarOff) off.emplace_back(by, i);
  }
  std::stable_sort(off.begin(), off.end(),
                   [](const auto& a, const auto& b) { return std::abs(a.first) > std::abs(b.first); });
  if (off.empty()) return;
  auto [by, point] = off.front();
  std::string rest =
      off.size() == 1 ? "" : fmt::format(", {} more lie over {} off", off.size() - 1, percent(kFarOff));
  doubts.push_back(
      fmt::format("the run that came to {:.5g} lies {} {} the law{}: these runs may not follow one law",
                  std::exp(points.log_y[point]), percent(std::abs(by)), by > 0 ? "above" : "below", rest));
}

void runs_apart(const LogPoints& points, std::vector<std::string>& doubts) {
  std::map<std::vector<double>, std::pair<double, double>> ranges;  // least and most log y of a place
  for (size_t i = 0; i < points.size(); ++i) {
    double log_y = points.log_y[i];
    auto [found, fresh] = ranges.try_emplace(place_of(points, i), log_y, log_y);
    found->second.first = std::min(found->second.first, log_y);
    found->second.second = std::max(found->second.second, log_y);
  }
  double widest = 0;
  for (const auto& [place, range] : ranges) widest = std::max(widest, std::expm1(range.second - range.first));
  if (widest > kFarApart)
    doubts.push_back(fmt::format(
        "runs of the same size differ by {}: one run of a size says no more than that", percent(widest)));
}

void no_floor(const PowerLaw& law, const LogPoints& points, const FittedLaw& fitted,
              std::vector<std::string>& doubts) {
  if (law.floor != PowerLaw::Floor::kConstant || points.size() == 0) return;
  double lowest = *std::min_element(points.log_y.begin(), points.log_y.end());
  if (fitted.best.at[law.constant()] < lowest + std::log(kNothing))
    doubts.emplace_back(
        "the law's constant came out as nothing: these runs do not show where the loss levels off");
}

void wide_interval(const FittedLaw& fitted, std::vector<std::string>& doubts) {
  if (!fitted.prediction || !fitted.prediction_interval) return;
  double width = (fitted.prediction_interval->high - fitted.prediction_interval->low) / *fitted.prediction;
  if (width > kWide)
    doubts.push_back(
        fmt::format("the prediction's interval is {} of it wide: rungs nearer to the run, or more of them, "
                    "would narrow it",
                    percent(width)));
}

}  // namespace

std::vector<std::string> fit_doubts(ScalingForm form, const LogPoints& points, const FittedLaw& fitted) {
  std::vector<std::string> doubts;
  PowerLaw law = law_of(form);
  points_off(law, points, fitted, doubts);
  runs_apart(points, doubts);
  no_floor(law, points, fitted, doubts);
  wide_interval(fitted, doubts);
  return doubts;
}

}  // namespace sextant::trainer
