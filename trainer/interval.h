#pragma once

#include <vector>

namespace sextant::trainer {

struct Interval {
  double low = 0, high = 0;
};

// The middle 95 % of values: quantiles 0.025 and 0.975, between neighbours by straight lines (numpy's
// quantile, Hyndman & Fan 1996, definition 7). Throws std::logic_error where there is no value.
Interval middle_95(std::vector<double> values);

}  // namespace sextant::trainer
