#include "trainer/kernels/attention.h"

#include <ATen/ATen.h>

namespace sextant::trainer {
namespace {

// [B, KV, S, D] to [B, H, S, D], each head repeated for the queries that read it.
at::Tensor repeat_heads(const at::Tensor& x, int64_t heads) {
  int64_t kv_heads = x.size(1);
  if (kv_heads == heads) return x;
  return x.unsqueeze(2)
      .expand({x.size(0), kv_heads, heads / kv_heads, x.size(2), x.size(3)})
      .reshape({x.size(0), heads, x.size(2), x.size(3)});
}

}  // namespace

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const at::Tensor& mask) {
  at::Tensor keys = repeat_heads(key, query.size(1)), values = repeat_heads(value, query.size(1));
  if (!mask.defined()) return at::scaled_dot_product_attention(query, keys, values, {}, 0.0, true);
  return at::scaled_dot_product_attention(query, keys, values, mask, 0.0, false);
}

at::Tensor document_mask(const at::Tensor& documents) {
  int64_t time = documents.size(1);
  at::Tensor same = documents.unsqueeze(2) == documents.unsqueeze(1);  // [B, T, T]
  at::Tensor causal = at::ones({time, time}, same.options()).tril();
  return same.logical_and_(causal).unsqueeze(1);
}

at::Tensor cache_mask(const at::Tensor& positions, int64_t slots) {
  at::Tensor slot = at::arange(slots, positions.options());  // [slots]
  return (slot.view({1, 1, 1, slots}) <= positions.unsqueeze(1).unsqueeze(3));
}

}  // namespace sextant::trainer
