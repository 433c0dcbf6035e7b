#include "trainer/kernels/amx/product_steps.h"

#include "trainer/kernels/amx/bf16.h"
#include "trainer/kernels/amx/pack.h"

namespace sextant::trainer::amx {
namespace {

// The four tiles of sums, one after the other.
constexpr SumPlace kSumPlace{kRow, 2 * kTileFloats * 4, kTileFloats * 4};

// The first `count` of 16 lanes; none where count is negative.
__mmask16 first_of_16(int64_t count) {
  return count >= 16 ? 0xffff : (count <= 0 ? 0 : static_cast<__mmask16>((1U << count) - 1));
}

Rows rows_of(const Part& part) {
  return {part.data, part.stride, part.rows, part.columns};
}

void accumulate(const Steps& left, const Steps& right, int64_t steps, float* sums) {
  multiply(left.first, left.of_block * kTileNumbers, right.first, right.of_block * kTileNumbers, steps);
  store_sums(sums, kSumPlace);
}

// Sixteen of the 32 columns of one row of sums.
const float* sums_of(const float* sums, int64_t row, int64_t half) {
  return sums + ((row / 16) * 2 + half) * kTileFloats + (row % 16) * 16;
}

}  // namespace

void begin_product() {
  shape_tiles({});
}

void end_product() {
  _tile_release();
}

void pack_left_block(const Part& part, Bf16* block) {
  pack_left(rows_of(part), block);
}

void pack_left_block_transposed(const Part& part, Bf16* block) {
  pack_right(rows_of(part), nullptr, block);
}

void pack_right_block(const Part& part, Bf16* block) {
  pack_right(rows_of(part), block, nullptr);
}

void pack_right_block_transposed(const Part& part, Bf16* block) {
  pack_right_transposed(rows_of(part), block);
}

void multiply_steps(Steps left, Steps right, int64_t steps, float* sums) {
  zero_sums();
  accumulate(left, right, steps, sums);
}

void multiply_add_steps(Steps left, Steps right, int64_t steps, float* sums) {
  load_sums(sums, kSumPlace);
  accumulate(left, right, steps, sums);
}

void finish(const float* sums, const Bf16* bias, const Target<Bf16>& target) {
  __mmask16 low = first_of_16(target.columns), high = first_of_16(target.columns - 16);
  __m512 low_bias = _mm512_setzero_ps(), high_bias = _mm512_setzero_ps();
  if (bias != nullptr) {
    low_bias = widen(_mm256_maskz_loadu_epi16(low, bias));
    high_bias = widen(_mm256_maskz_loadu_epi16(high, bias + 16));
  }
  __mmask32 both = static_cast<__mmask32>(low) | static_cast<__mmask32>(high) << 16;
  for (int64_t row = 0; row < target.rows; ++row) {
    __m512 first = _mm512_add_ps(_mm512_load_ps(sums_of(sums, row, 0)), low_bias);
    __m512 second = _mm512_add_ps(_mm512_load_ps(sums_of(sums, row, 1)), high_bias);
    _mm512_mask_storeu_epi16(target.data + row * target.stride, both, narrow(first, second));
  }
}

void write(const float* sums, const Target<float>& target) {
  __mmask16 low = first_of_16(target.columns), high = first_of_16(target.columns - 16);
  for (int64_t row = 0; row < target.rows; ++row) {
    float* to = target.data + row * target.stride;
    _mm512_mask_storeu_ps(to, low, _mm512_load_ps(sums_of(sums, row, 0)));
    _mm512_mask_storeu_ps(to + 16, high, _mm512_load_ps(sums_of(sums, row, 1)));
  }
}

void add(const float* sums, const Target<float>& target) {
  __mmask16 low = first_of_16(target.columns), high = first_of_16(target.columns - 16);
  for (int64_t row = 0; row < target.rows; ++row) {
    float* to = target.data + row * target.stride;
    __m512 first = _mm512_add_ps(_mm512_maskz_loadu_ps(low, to), _mm512_load_ps(sums_of(sums, row, 0)));
    __m512 second =
        _mm512_add_ps(_mm512_maskz_loadu_ps(high, to + 16), _mm512_load_ps(sums_of(sums, row, 1)));
    _mm512_mask_storeu_ps(to, low, first);
    _mm512_mask_storeu_ps(to + 16, high, second);
  }
}

void transpose_sums(float* sums) {
  __m512i tiles[4][16];
  for (int tile = 0; tile < 4; ++tile) {
    for (int64_t row = 0; row < 16; ++row)
      tiles[tile][row] = _mm512_load_si512(sums + tile * kTileFloats + row * 16);
    transpose(tiles[tile]);
  }
  constexpr int kMirrored[4] = {0, 2, 1, 3};
  for (int tile = 0; tile < 4; ++tile) {
    float* to = sums + kMirrored[tile] * kTileFloats;
    for (int64_t row = 0; row < 16; ++row) _mm512_store_si512(to + row * 16, tiles[tile][row]);
  }
}

}  // namespace sextant::trainer::amx
