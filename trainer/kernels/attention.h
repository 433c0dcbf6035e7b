#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Scaled dot-product attention (Vaswani et al. 2017, eq. 1). B batch, T queries, S keys, H query heads, KV
// key heads, D head width. query [B, H, T, D], key and value [B, KV, S, D], of any strides in B, heads and T;
// head h reads key head h * KV / H.

// Self-attention of a sequence that looks back: query t reads keys first_keys[t] .. t. first_keys [B, T]
// int32 never falls along T; undefined: 0. Result [B, H, T, D], laid out as [B, T, H, D]. fp32 and bf16 on a
// CPU run in kernels of ours, keep inputs, result and one number a query, and have the same bits for any
// number of threads.
at::Tensor causal_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& first_keys, InstructionSet set = instruction_set());

// The first key that each query sees, [B, T] int32, inside its document and, unless window is 0, among the
// last `window` keys with its own. documents [B, T]: equal numbers beside each other are a document.
at::Tensor first_keys(const at::Tensor& documents, int64_t window = 0);

// With a mask [B, 1, T, S] bool, true where a query may look, through ATen's kernels.
at::Tensor masked_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& mask);

// For a cache whose slot s holds position s: a query at position p sees slots 0 .. p, the last `window` of
// them unless that is 0 (Jiang et al. 2023, section 2). positions [B, T] to mask [B, 1, T, slots].
at::Tensor cache_mask(const at::Tensor& positions, int64_t slots, int64_t window = 0);

}  // namespace sextant::trainer
