#pragma once

// What attention's forward and backward share.
#include "trainer/kernels/amx/bf16.h"
#include "trainer/kernels/amx/exponential.h"
#include "trainer/kernels/amx/pack.h"
#include "trainer/kernels/simd/attention.h"
#include "trainer/kernels/simd/scratch.h"

namespace sextant::trainer::amx {

constexpr int64_t kBlock = 32;  // queries or keys: two tiles
constexpr int64_t kChunk = 8;   // blocks whose probabilities stand in memory together

// T, S and D in blocks of 32; the rest of the last ones is zero.
struct Extents {
  int64_t high, deep, wide;

  explicit Extents(const AttentionShape& shape)
      : high(tiles_of(shape.time, kBlock)),
        deep(tiles_of(shape.keys, kBlock)),
        wide(tiles_of(shape.width, kBlock)) {}
  int64_t padded_time() const { return high * kBlock; }
  int64_t padded_width() const { return wide * kBlock; }
  int64_t query_numbers() const { return padded_time() * padded_width(); }
  int64_t key_numbers() const { return deep * kBlock * padded_width(); }
};

// The key after the last one that a query reads.
inline int64_t end_of_keys(const AttentionShape& shape, int64_t query) {
  int64_t end = query + shape.ahead + 1;
  return end < shape.keys ? end : shape.keys;
}

inline Rows queries_of(const Bf16* tensor, const HeadStrides& strides, int64_t batch, int64_t head,
                       const AttentionShape& shape) {
  return {place_of(tensor, strides, batch, head), strides.time, shape.time, shape.width};
}

inline Rows keys_of(const Bf16* tensor, const HeadStrides& strides, int64_t batch, int64_t head,
                    const AttentionShape& shape) {
  return {place_of(tensor, strides, batch, head), strides.time, shape.keys, shape.width};
}

inline __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffffU : (1U << count) - 1U);
}

// count numbers of a row, scaled.
inline void write_row(float* to, const float* from, float scale, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    __m512 x = _mm512_mul_ps(_mm512_load_ps(from + i), _mm512_set1_ps(scale));
    _mm512_mask_storeu_ps(to + i, first_lanes(count - i), x);
  }
}

inline void add_row(float* to, const float* from, float scale, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    __mmask16 mask = first_lanes(count - i);
    __m512 sum = _mm512_maskz_loadu_ps(mask, to + i);
    sum = _mm512_fmadd_ps(_mm512_load_ps(from + i), _mm512_set1_ps(scale), sum);
    _mm512_mask_storeu_ps(to + i, mask, sum);
  }
}

inline void write_row(Bf16* to, const float* from, float scale, int64_t count) {
  for (int64_t i = 0; i < count; i += 32) {
    __m512 low = _mm512_mul_ps(_mm512_load_ps(from + i), _mm512_set1_ps(scale));
    __m512 high = _mm512_mul_ps(_mm512_load_ps(from + i + 16), _mm512_set1_ps(scale));
    __mmask32 mask = count - i >= 32 ? ~0U : (1U << (count - i)) - 1U;
    _mm512_mask_storeu_epi16(to + i, mask, narrow(low, high));
  }
}

int64_t forward_scratch(const AttentionShape& shape);
int64_t backward_scratch(const AttentionShape& shape);
void attention_forward(const AttentionForward<Bf16>& work, int64_t batch, int64_t kv_head, void* scratch);
void attention_backward(const AttentionBackward<Bf16>& work, int64_t batch, int64_t kv_head, void* scratch);

}  // namespace sextant::trainer::amx
