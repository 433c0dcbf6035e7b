#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::trainer {

// Scaled dot-product attention (Vaswani et al. 2017, eq. 1), through ATen's fused kernels.
// query [B, H, T, D], key and value [B, KV, S, D]; head h reads key head h * KV / H. Result [B, H, T, D].
// mask [B, 1, T, S] bool, true where a query may look; undefined: causal, and then T = S.
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const at::Tensor& mask);

// Causal inside each document: documents [B, T] to mask [B, 1, T, T].
at::Tensor document_mask(const at::Tensor& documents);

// For a cache whose slot s holds position s: a query at position p sees slots 0 .. p.
// positions [B, T] to mask [B, 1, T, slots].
at::Tensor cache_mask(const at::Tensor& positions, int64_t slots);

}  // namespace sextant::trainer
