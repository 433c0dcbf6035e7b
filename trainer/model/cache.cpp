#include "trainer/model/cache.h"

#include <ATen/ATen.h>

#include "trainer/kernels/attention.h"
#include "trainer/kernels/branch_attention.h"
#include "trainer/kernels/cached_attention.h"

namespace sextant::trainer {
namespace {

void store(const at::Tensor& slots, const at::Tensor& fresh, const at::Tensor& positions) {
  if (fits_cached_attention(fresh)) return store_in_slots(slots, fresh, positions);
  at::Tensor heads_first = fresh.transpose(1, 2);                                 // [B, KV, T, D]
  at::Tensor index = positions.unsqueeze(1).unsqueeze(3).expand_as(heads_first);  // [B, KV, T, D]
  at::Tensor(slots).scatter_(2, index, heads_first);
}

}  // namespace

Cache Cache::rows(int64_t first, int64_t count) const {
  Cache some;
  some.slots = slots;
  some.fill = fill;
  for (const LayerCache& layer : layers) {
    if (!layer.keys.defined()) {
      some.layers.emplace_back();
      continue;
    }
    some.layers.push_back({layer.keys.narrow(0, first, count), layer.values.narrow(0, first, count)});
  }
  return some;
}

void store_in_cache(const LayerCache& cache, const at::Tensor& key, const at::Tensor& value,
                    const at::Tensor& positions) {
  store(cache.keys, key, positions);
  store(cache.values, value, positions);
}

at::Tensor attend_cached(const at::Tensor& query, const LayerCache& cache, const at::Tensor& positions,
                         const at::Tensor& mask, int64_t window) {
  if (fits_cached_attention(query))
    return cached_attention(query, cache.keys, cache.values, positions, window);
  return masked_attention(query.transpose(1, 2), cache.keys, cache.values, mask).transpose(1, 2);
}

at::Tensor attend_branches(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           const LayerCache& kept, const std::vector<Branch>& branches,
                           const at::Tensor& mask, int64_t window) {
  return branch_attention(query, key, value, kept.keys, kept.values, branches, mask, window);
}

}  // namespace sextant::trainer
