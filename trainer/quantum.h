#pragma once

#include <optional>

#include "parallel/fixed_point.h"

namespace sextant::trainer {

// Which quantum reproducible sums have in each step: a power of two that follows from the largest magnitude
// that arrived in the step before, over the whole world, so that it is the same on every layout. A step whose
// numbers do not fit is done again with the quantum that its own largest one asks for.
class Quantum {
 public:
  // Bits of room above the largest magnitude of the step before: gradients may grow eightfold from one step
  // to the next before a step is done twice.
  static constexpr int kRoom = 3;

  // Of the next attempt; before anything is known, one that only serves to find the largest magnitude.
  parallel::FixedPoint point() const { return known_.value_or(parallel::FixedPoint{}); }
  // Whether the sums of an attempt whose largest magnitude this was are right: it fits, or there is nothing
  // to sum, or it is not finite and no sum would be.
  bool accepts(double largest) const;
  // Takes the quantum for the next attempt or step from this one's largest magnitude.
  void learn(double largest);

  // What a checkpoint keeps of it.
  std::optional<int64_t> exponent() const;
  void restore(std::optional<int64_t> exponent);

 private:
  std::optional<parallel::FixedPoint> known_;
};

}  // namespace sextant::trainer
