#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/kernels/branch.h"

namespace sextant::trainer {

// B batch, T new tokens a row, H heads, KV key heads, D head width.

// Keys and values of one layer for sequences being generated; slot s of a row holds position s, so that a
// token is added by writing one slot. Undefined of a layer that another rank has.
struct LayerCache {
  at::Tensor keys;    // [B, KV, slots, D]
  at::Tensor values;  // [B, KV, slots, D]
};

// Whether slots hold anything yet. Rows that fill an empty cache see nothing but themselves.
enum class CacheFill { kEmpty, kSome };

// Keys and values of all layers.
struct Cache {
  std::vector<LayerCache> layers;
  int64_t slots = 0;
  CacheFill fill = CacheFill::kEmpty;

  // Some of the rows, in the same memory. They are filled on their own: the whole's `fill` stays.
  Cache rows(int64_t first, int64_t count) const;
};

// Stores key and value [B, T, KV, D] at positions [B, T].
void store_in_cache(const LayerCache& cache, const at::Tensor& key, const at::Tensor& value,
                    const at::Tensor& positions);

// Attends to the slots up to each query's own, and to the last `window` of them unless that is 0. query
// [B, T, H, D]. mask as cache_mask makes it, where cached_attention does not take these. Result [B, T, H, D].
at::Tensor attend_cached(const at::Tensor& query, const LayerCache& cache, const at::Tensor& positions,
                         const at::Tensor& mask, int64_t window);

// Attends as branch_attention does, a cache of one row holding what is kept, in all of its slots. query
// [1, T, H, D], key and value [1, T, KV, D] of the branches' tokens, which are not stored. mask as
// branch_mask makes it, where that needs one. Result [1, T, H, D].
at::Tensor attend_branches(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const LayerCache& kept, const std::vector<Branch>& branches,
                           const at::Tensor& mask, int64_t window);

}  // namespace sextant::trainer
