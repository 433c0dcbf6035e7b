#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace sextant::trainer {

// Euclidean norm over all numbers of all tensors, squares added in fp64.
double global_norm(const std::vector<at::Tensor>& tensors);

// What gradients of this norm are multiplied with so that it becomes at most `limit`: limit / norm, or 1
// where the norm is smaller or limit is 0 (Pascanu et al. 2013, algorithm 1).
double clip_scale(double norm, double limit);

}  // namespace sextant::trainer
