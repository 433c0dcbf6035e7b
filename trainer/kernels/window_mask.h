#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sextant::trainer {

// Narrows a mask to a sliding window: a query sees the `window` keys up to its own, itself included
// (Jiang et al. 2023, section 2). mask [B, 1, T, S], or undefined: causal; places [B, T]: the key that is the
// query's own. Undefined stays undefined where the window holds all T.
at::Tensor window_mask(const at::Tensor& mask, const at::Tensor& places, int64_t window);

}  // namespace sextant::trainer
