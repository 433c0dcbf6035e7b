#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace sextant::testing_harness {

// Compares autograd's gradients of a scalar function of fp64 tensors with central differences, element by
// element. The step 1e-5 leaves an error near 1e-10 of third derivatives and 1e-11 of rounding: 1e-6 relative
// has room.
inline void expect_gradients(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& function,
                             std::vector<at::Tensor> inputs, double tolerance = 1e-6) {
  for (at::Tensor& input : inputs) input = input.detach().clone().requires_grad_(true);
  function(inputs).backward();
  constexpr double kStep = 1e-5;
  at::NoGradGuard no_gradient;
  for (size_t which = 0; which < inputs.size(); ++which) {
    at::Tensor flat = inputs[which].view({-1});
    ASSERT_TRUE(inputs[which].grad().defined()) << "input " << which;
    at::Tensor grad = inputs[which].grad().reshape({-1});
    double scale = std::max(1.0, grad.abs().max().item<double>());
    for (int64_t i = 0; i < flat.numel(); ++i) {
      double original = flat[i].item<double>();
      flat[i] = original + kStep;
      double above = function(inputs).item<double>();
      flat[i] = original - kStep;
      double below = function(inputs).item<double>();
      flat[i] = original;
      EXPECT_NEAR(grad[i].item<double>(), (above - below) / (2 * kStep), tolerance * scale)
          << "input " << which << " element " << i;
    }
  }
}

// Reproducible fp64 numbers in (-1, 1), smooth and never equal.
inline at::Tensor wavy(at::IntArrayRef shape, double phase) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return (at::arange(count, at::kDouble) * 1.37 + phase).sin().view(shape);
}

}  // namespace sextant::testing_harness
