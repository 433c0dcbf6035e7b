#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "trainer/kernels/attention_part.h"
#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Attention's forward and backward for fp32 and bf16 on a CPU: one task for each key head of each sequence,
// shared out over the threads. Shapes as in trainer/kernels/attention.h.

// causal_attention's output and log-sum-exp [B, H, T] fp32.
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

// attend_part and attend_part_backward.
void attention_tasks_part(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const KeyRange& range, const AttentionState& state, InstructionSet set);
void attention_tasks_part_backward(const at::Tensor& grad, const at::Tensor& query, const at::Tensor& key,
                                   const at::Tensor& value, const KeyRange& range, const at::Tensor& output,
                                   const at::Tensor& log_sum_exp, const AttentionSums& sums,
                                   InstructionSet set);

}  // namespace sextant::trainer
