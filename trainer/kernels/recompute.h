#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace sextant::trainer {

// segment(x) that keeps only x for backward and runs the segment again there (Chen et al. 2016, "Training
// Deep Nets with Sublinear Memory Cost"). Weights that the segment reads get their gradients as usual, in a
// backward pass inside the backward pass. x must require a gradient, and segment must be a pure function of x
// and weights.
at::Tensor recompute(const std::function<at::Tensor(const at::Tensor&)>& segment, const at::Tensor& x);

}  // namespace sextant::trainer
