#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer/interval.h"
#include "trainer/scaling/fit.h"
#include "trainer/scaling/points.h"

namespace sextant::trainer {

struct FitSettings {
  ScalingForm form = ScalingForm::kChinchilla;
  size_t draws = 1000;  // of the bootstrap; 0: no intervals
  uint64_t seed = 1;    // of these draws
  int threads = 1;      // the result does not depend on them
  // Logarithms of the law's variables at the place that is to be predicted.
  std::optional<std::vector<double>> place;
};

// One law, what its bootstrap says of it, and what it says of a place.
struct FittedLaw {
  Minimum best;
  size_t points = 0, starts = 0;
  std::vector<NamedValue> values;
  std::vector<Interval> intervals;  // of the values; empty without a bootstrap
  std::vector<std::string> at_bound;
  std::optional<double> prediction;
  std::optional<Interval> prediction_interval;
};

// Fits from every start (trainer/scaling/fit.h) and draws the intervals. The points are enough (read_points).
FittedLaw fit_law(const LogPoints& points, const FitSettings& settings);

// "chinchilla", "kaplan", "loss", "capability", and the law as people write it.
const char* form_name(ScalingForm form);
const char* form_formula(ScalingForm form);

}  // namespace sextant::trainer
