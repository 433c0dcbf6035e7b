#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/group.h"

namespace sextant::trainer {

// Causal self-attention of rows whose time is shared by the n ranks of `context`, rank r holding the r-th of
// n equal stretches: an all-to-all gives each rank whole rows of H/n heads, another one brings the results
// back (Jacobs et al. 2023, "DeepSpeed Ulysses"). n divides H; key heads are repeated as often as needed for
// n to divide them.
//
// query [B, T/n, H, D], key and value [B, T/n, KV, D]. first_keys [B, T] int32 of the whole rows, as
// causal_attention takes it. Result [B, T/n, H, D]. All ranks of `context` must call, in backward too, with
// equal shapes; it must outlive backward.
at::Tensor ulysses_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& first_keys, parallel::Group& context);

}  // namespace sextant::trainer
