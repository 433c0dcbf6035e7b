#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace sextant::parallel {

// What becomes of numbers that stand in a result already.
enum class Onto { kWrite, kAdd };

// Where a backward may put one weight's gradient itself, in the gradient's type and without a copy, instead
// of handing a tensor to autograd.
class GradientSink {
 public:
  virtual ~GradientSink() = default;

  // Calls write(into, onto), of a backward perhaps later, so it holds its tensors by value. It writes or adds
  // to `into` [weight's shape] the gradient of the sum of losses: one arrival of it in this microbatch.
  virtual void take(const std::function<void(const at::Tensor& into, Onto onto)>& write) = 0;

  // A first part of an arrival, which the next take() completes: nothing is summed between them. Sinks that
  // count no arrivals need not tell the two apart.
  virtual void take_part(const std::function<void(const at::Tensor& into, Onto onto)>& write) { take(write); }
};

}  // namespace sextant::parallel
