#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/group.h"
#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Causal self-attention of rows whose time is shared by the n ranks of `context`, cut zig-zag: of 2 n equal
// chunks rank r holds r and 2 n - 1 - r, one after the other, so that all ranks have equally much to do
// (trainer/context_cut; Dubey et al. 2024, "The Llama 3 Herd of Models", section 3.3.2). Keys and values go
// around the ring and meet each rank's queries; backward sends their gradients along (Liu et al. 2023, "Ring
// Attention"). Parts are joined in fp32, of fp64 in fp64.
//
// query [B, H, T/n, D], key and value [B, KV, T/n, D], of any strides in B, heads and T. first_keys
// [B, T/n] int32: the first key, as a place in the whole row, that each query here reads; undefined: 0.
// Result [B, H, T/n, D], laid out as [B, T/n, H, D]. All ranks of `context` must call, in backward too, with
// equal shapes; it must outlive backward.
at::Tensor ring_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const at::Tensor& first_keys, parallel::Group& context,
                          InstructionSet set = instruction_set());

}  // namespace sextant::trainer
