#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/kernels/branch.h"
#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Attention of texts that begin alike, packed into one row of tokens without padding; without gradient.
//
// T tokens of the row, K kept tokens in front of all texts, H heads, KV key heads, D head width.

// query [1, T, H, D], key and value [1, T, KV, D], kept_keys and kept_values [1, KV, K, D]. A token reads
// what is kept, then the branches that its own stands behind, then its own up to itself. Branches are
// disjoint; tokens in none of them get zeros or nonsense. A query reads the last `window` of its keys where
// window > 0. Result [1, T, H, D]. Of fp32 and bf16 on a CPU the bits of a branch's tokens depend on what
// they read alone, wherever that stands; all else goes through ATen with the mask, and needs one.
at::Tensor branch_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& kept_keys, const at::Tensor& kept_values,
                            const std::vector<Branch>& branches, const at::Tensor& mask, int64_t window,
                            InstructionSet set = instruction_set());

// Where each token may look among what is kept and the row, [1, 1, T, K + T] bool, on the CPU. Tokens in no
// branch see themselves.
at::Tensor branch_mask(const std::vector<Branch>& branches, int64_t tokens, int64_t kept, int64_t window);

}  // namespace sextant::trainer
