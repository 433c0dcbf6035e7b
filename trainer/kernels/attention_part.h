#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Attention over keys that come in parts: each part is added to what the queries have read before, by the
// log-sum-exp of their scores (Milakov & Gimelshein 2018; Dao et al. 2022, section 3.1). B batch, T queries,
// S keys of the part, H query heads, KV key heads, D head width. query [B, H, T, D], key and value
// [B, KV, S, D], of any strides in B, heads and T. Parts of a row come in any order.

// The keys of a part that a query reads: first_keys[t] .. min(t + ahead, S - 1).
struct KeyRange {
  at::Tensor first_keys;  // [B, T] int32, contiguous, 0 .. S, never falling along T; undefined: 0
  int64_t ahead = 0;      // 0: query and key of one number stand at one place; S: all keys lie behind
};

// What queries have read so far, in fp32, for fp64 in fp64.
struct AttentionState {
  at::Tensor mixed;        // [B, H, T, D] the mean of the values, weighed by their probabilities
  at::Tensor log_sum_exp;  // [B, H, T] of the scores; -infinity: nothing read

  // Queries first .. first + count - 1, in the same memory.
  AttentionState narrow(int64_t first, int64_t count) const;
};

// Nothing read yet; mixed is laid out as [B, T, H, D].
AttentionState empty_attention(const at::Tensor& query);

// Reads one part more.
void attend_part(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                 const KeyRange& range, const AttentionState& state, InstructionSet set = instruction_set());

// Gradients under way, in the types of AttentionState; parts add to them.
struct AttentionSums {
  at::Tensor query;       // [B, H, T, D]
  at::Tensor key, value;  // [B, KV, S, D]
};

// Backward of one part. grad and output [B, H, T, D] and log_sum_exp belong to all that the queries read.
void attend_part_backward(const at::Tensor& grad, const at::Tensor& query, const at::Tensor& key,
                          const at::Tensor& value, const KeyRange& range, const at::Tensor& output,
                          const at::Tensor& log_sum_exp, const AttentionSums& sums,
                          InstructionSet set = instruction_set());

}  // namespace sextant::trainer
