#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/unit_use.h"

namespace sextant::trainer {

// Marks, on both sides of what a unit of weights computes, when its values are needed: the numbers and their
// gradients pass through unchanged. A null use: nothing is marked.

// Around a unit whose backward reads its values: needed from enter to leave, and again in backward from
// leave's gradient to enter's.
struct UnitPass {
  parallel::UnitUse* use = nullptr;
  int64_t unit = parallel::UnitUse::kNone;
  int64_t before = parallel::UnitUse::kNone, after = parallel::UnitUse::kNone;  // in forward's order

  at::Tensor enter(const at::Tensor& x) const;
  at::Tensor leave(const at::Tensor& y) const;
};

// Before units whose values are read on after the forward pass: needed from here until the gradient of x is
// there. Without gradients they linger.
at::Tensor enter_last(const at::Tensor& x, parallel::UnitUse* use, const std::vector<int64_t>& units);

}  // namespace sextant::trainer
