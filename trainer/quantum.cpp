#include "trainer/quantum.h"

#include <cmath>

namespace sextant::trainer {

bool Quantum::accepts(double largest) const {
  if (largest == 0 || !std::isfinite(largest)) return true;
  return known_ && largest < known_->limit();
}

void Quantum::learn(double largest) {
  if (largest > 0 && std::isfinite(largest)) known_ = parallel::FixedPoint::above(largest, kRoom);
}

std::optional<int64_t> Quantum::exponent() const {
  return known_ ? std::optional<int64_t>(known_->exponent) : std::nullopt;
}

void Quantum::restore(std::optional<int64_t> exponent) {
  known_.reset();
  if (exponent) known_ = parallel::FixedPoint{static_cast<int>(*exponent)};
}

}  // namespace sextant::trainer
