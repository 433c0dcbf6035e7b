#include "trainer/interval.h"

#include <algorithm>
#include <cstddef>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  double place = share * static_cast<double>(sorted.size() - 1);
  size_t below = static_cast<size_t>(place);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Interval middle_95(std::vector<double> values) {
  expect(!values.empty(), "an interval wants values");
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace sextant::trainer
