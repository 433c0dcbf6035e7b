#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Attention over the slots of a cache, for the few queries of generation; without gradient.
//
// B batch, T new tokens a row, H heads, KV key heads, S slots, D head width. Slot s of a row holds position
// s.

// Whether cached_attention takes these: in inference mode, fp32 or bf16 on a CPU.
bool fits_cached_attention(const at::Tensor& query);

// query [B, T, H, D], keys and values [B, KV, S, D], positions [B, T] int64. A query at position p reads
// slots 0 .. p, of the row's own memory alone, and the last `window` of them where window > 0. Result [B, T,
// H, D].
at::Tensor cached_attention(const at::Tensor& query, const at::Tensor& keys, const at::Tensor& values,
                            const at::Tensor& positions, int64_t window,
                            InstructionSet set = instruction_set());

// Copies fresh [B, T, KV, D] to the slots of its positions. slots [B, KV, S, D], positions [B, T] below S.
void store_in_slots(const at::Tensor& slots, const at::Tensor& fresh, const at::Tensor& positions);

}  // namespace sextant::trainer
