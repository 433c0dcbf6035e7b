#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/gradient_sink.h"
#include "trainer/kernels/fused_linear.h"

namespace sextant::trainer {

// The weights of several gated feed-forward layers of one shape, stacked: E experts, F hidden channels.
struct ExpertWeights {
  at::Tensor gate, up;                                                                    // [E, F, C]
  at::Tensor down;                                                                        // [E, C, F]
  parallel::GradientSink *gate_sink = nullptr, *up_sink = nullptr, *down_sink = nullptr;  // as in Linear
};

// Each stretch of rows through its expert: down(silu(gate x) * up x). rows [M, C], sorted by expert; `counts`
// says how many each of the E experts has, and sums to M. [M, C]. An expert without rows gets gradient zero.
// Differentiable. Products go through trainer/kernels/linear, an expert at a time.
at::Tensor grouped_feed_forward(const at::Tensor& rows, const std::vector<int64_t>& counts,
                                const ExpertWeights& weights, Produced produced);

}  // namespace sextant::trainer
