#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Softmax over rows of logits [n, V] on a CPU, fp32 or bf16, each row contiguous; arithmetic in fp32.

// A target that is in another part of the vocabulary than the logits are of.
constexpr int64_t kElsewhere = -1;

// log sum exp of each row, [n] fp32.
at::Tensor log_sum_exp(const at::Tensor& logits, InstructionSet set = instruction_set());

// Turns logits into the gradient of sum_n scale[n] (log_sum_exp[n] - logits[n, target[n]]) in their own
// memory: scale[n] (softmax - one at the target). log_sum_exp, scale [n] fp32; targets [n] int64 in 0 .. V
// - 1, or kElsewhere, and nothing is taken off.
void softmax_gradient_(at::Tensor& logits, const at::Tensor& log_sum_exp, const at::Tensor& targets,
                       const at::Tensor& scale, InstructionSet set = instruction_set());

}  // namespace sextant::trainer
