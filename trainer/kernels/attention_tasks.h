#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// causal_attention's forward and backward for fp32 and bf16 on a CPU: one task for each key head of each
// sequence, shared out over the threads. Shapes as in trainer/kernels/attention.h.

// Output and log-sum-exp [B, H, T] fp32.
std::tuple<at::Tensor, at::Tensor> attention_tasks_forward(const at::Tensor& query, const at::Tensor& key,
                                                           const at::Tensor& value,
                                                           const at::Tensor& first_keys, InstructionSet set);

struct AttentionGradients {
  at::Tensor query, key, value;  // laid out as [B, T, heads, D]
};
AttentionGradients attention_tasks_backward(const at::Tensor& grad, const at::Tensor& query,
                                            const at::Tensor& key, const at::Tensor& value,
                                            const at::Tensor& first_keys, const at::Tensor& output,
                                            const at::Tensor& log_sum_exp, InstructionSet set);

}  // namespace sextant::trainer
