#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Rotary position embedding (Su et al. 2021, eq. 34), pairs (d, d + D/2) as Llama's published weights order
// them.

// Angles' cosines and sines for positions 0 .. context - 1. [2, context, D/2], fp32 or fp64.
at::Tensor rotary_table(int64_t context, int64_t head_width, double base, at::ScalarType type,
                        at::Device device);
// The same for given frequencies, [D/2] in fp64.
at::Tensor rotary_table(int64_t context, const at::Tensor& frequencies, at::ScalarType type,
                        at::Device device);

// x [B, T, H, D] rotated by each token's position; table_rows [2, B, T, D/2] is the table at these positions.
// Differentiable in x; arithmetic in the table's type, result in x's.
at::Tensor rotary(const at::Tensor& x, const at::Tensor& table_rows, InstructionSet set = instruction_set());

}  // namespace sextant::trainer
