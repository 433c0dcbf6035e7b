#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// Attention of single queries over the slots of a cache. B batch, T queries of a row, H heads, KV key heads,
// D head width. A query at position p reads slots 0 .. p, or the last `window` of them where window > 0.
template <class Number>
struct CachedAttention {
  const Number* query;       // [B, T, H, D]
  const Number* keys;        // [B, KV, slots, D]
  const Number* values;      // [B, KV, slots, D]
  const int64_t* positions;  // [B, T], below slots
  Number* output;            // [B, T, H, D]
  int64_t time, heads, key_heads, slots, width, window;
  float scale;
};

struct CachedAttentionKernels {
  // Items first .. last - 1, where an item is one head of one query, (b T + t) H + h. scores has room for
  // `slots` numbers, up to a multiple of 16.
  void (*fp32)(const CachedAttention<float>&, float* scores, int64_t first, int64_t last);
  void (*bf16)(const CachedAttention<Bf16>&, float* scores, int64_t first, int64_t last);
};

namespace plain {
extern const CachedAttentionKernels kCachedAttentionKernels;
}
namespace avx2 {
extern const CachedAttentionKernels kCachedAttentionKernels;
}
namespace avx512 {
extern const CachedAttentionKernels kCachedAttentionKernels;
}

}  // namespace sextant::trainer
