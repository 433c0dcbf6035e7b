#include "trainer/kernels/amx/product_steps.h"
#include "trainer/kernels/amx/registers.h"

namespace sextant::trainer::amx_product {
namespace {

constexpr int64_t kTile = 512;  // bf16 numbers of a tile

// 32 columns of a row that may lie outside the part.
__m512i row_of(const Part& part, int64_t row, int64_t column) {
  if (row >= part.rows) return _mm512_setzero_si512();
  const uint16_t* from = part.data + row * part.stride + column;
  if (column + 32 <= part.columns) return _mm512_loadu_si512(from);
  return _mm512_maskz_loadu_epi16(first_of_32(part.columns - column), from);
}

// Two rows to pairs (first, second) of columns 0 .. 15 and of columns 16 .. 31.
struct Pairs {
  __m512i low, high;
};

Pairs interleave(__m512i first, __m512i second) {
  const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7,
                                       38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  return {_mm512_permutex2var_epi16(first, low, second), _mm512_permutex2var_epi16(first, high, second)};
}

}  // namespace

void pack_left(const Part& part, int64_t steps, uint16_t* block) {
  for (int64_t step = 0; step < steps; ++step, block += kStepNumbers) {
    for (int64_t row = 0; row < kBlock; ++row)
      _mm512_store_si512(block + row * 32, row_of(part, row, step * kStep));
  }
}

void pack_left_transposed(const Part& part, int64_t steps, uint16_t* block) {
  for (int64_t step = 0; step < steps; ++step, block += kStepNumbers) {
    __m512i low[16], high[16];
    for (int64_t pair = 0; pair < 16; ++pair) {
      int64_t row = step * kStep + 2 * pair;
      Pairs pairs = interleave(row_of(part, row, 0), row_of(part, row + 1, 0));
      low[pair] = pairs.low, high[pair] = pairs.high;
    }
    transpose_16x16(low);
    transpose_16x16(high);
    for (int64_t row = 0; row < 16; ++row) {
      _mm512_store_si512(block + row * 32, low[row]);
      _mm512_store_si512(block + kTile + row * 32, high[row]);
    }
  }
}

void pack_right(const Part& part, int64_t steps, uint16_t* block) {
  for (int64_t step = 0; step < steps; ++step, block += kStepNumbers) {
    for (int64_t pair = 0; pair < 16; ++pair) {
      int64_t row = step * kStep + 2 * pair;
      Pairs pairs = interleave(row_of(part, row, 0), row_of(part, row + 1, 0));
      _mm512_store_si512(block + pair * 32, pairs.low);
      _mm512_store_si512(block + kTile + pair * 32, pairs.high);
    }
  }
}

void pack_right_transposed(const Part& part, int64_t steps, uint16_t* block) {
  for (int64_t step = 0; step < steps; ++step, block += kStepNumbers) {
    for (int64_t half = 0; half < 2; ++half) {
      __m512i columns[16];  // sixteen columns of the right matrix, each 16 pairs of depth
      for (int64_t i = 0; i < 16; ++i) columns[i] = row_of(part, half * 16 + i, step * kStep);
      transpose_16x16(columns);
      for (int64_t pair = 0; pair < 16; ++pair)
        _mm512_store_si512(block + half * kTile + pair * 32, columns[pair]);
    }
  }
}

}  // namespace sextant::trainer::amx_product
