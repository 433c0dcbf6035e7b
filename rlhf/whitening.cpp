#include "rlhf/whitening.h"

#include <cmath>

namespace sextant::rlhf {

void whiten(std::vector<double>& numbers) {
  auto count = static_cast<double>(numbers.size());
  double mean = 0, variance = 0;
  for (double x : numbers) mean += x / count;
  for (double x : numbers) variance += (x - mean) * (x - mean) / count;
  double scale = 1 / std::sqrt(variance + 1e-8);
  for (double& x : numbers) x = (x - mean) * scale;
}

}  // namespace sextant::rlhf
