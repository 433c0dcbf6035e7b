#pragma once

#include "trainer/kernels/amx/tiles.h"

namespace sextant::trainer::amx {

// Rows of bf16 in memory, and how they become tiles; what lies outside is zero.
struct Rows {
  const Bf16* first;
  int64_t stride;  // numbers from row to row
  int64_t count, width;
};

inline int64_t tiles_of(int64_t count, int64_t extent) {
  return (count + extent - 1) / extent;
}

// 32 numbers of a row.
inline __m512i load_part(const Rows& rows, int64_t row, int64_t column) {
  if (row >= rows.count) return _mm512_setzero_si512();
  int64_t left = rows.width - column;
  __mmask32 mask = left >= 32 ? ~0U : (1U << left) - 1U;
  return _mm512_maskz_loadu_epi16(mask, rows.first + row * rows.stride + column);
}

// Rows and columns of 16 x 16 numbers of 32 bits exchanged.
inline void transpose(__m512i (&x)[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
  }
}

inline void store_tile(Bf16* to, const __m512i (&x)[16]) {
  for (int64_t i = 0; i < 16; ++i) _mm512_store_si512(to + i * 32, x[i]);
}

// Numbers 2 i of two rows' halves beside each other: a0 b0 a1 b1 ...
inline __m512i lower_pairs(__m512i a, __m512i b) {
  const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7,
                                         38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  return _mm512_permutex2var_epi16(a, order, b);
}

inline __m512i upper_pairs(__m512i a, __m512i b) {
  const __m512i order = _mm512_set_epi16(63, 31, 62, 30, 61, 29, 60, 28, 59, 27, 58, 26, 57, 25, 56, 24, 55,
                                         23, 54, 22, 53, 21, 52, 20, 51, 19, 50, 18, 49, 17, 48, 16);
  return _mm512_permutex2var_epi16(a, order, b);
}

// Left tiles, m the row, k the column: tile (row / 16, column / 32), a row's tiles following each other.
inline void pack_left(const Rows& rows, Bf16* to) {
  int64_t high = tiles_of(rows.count, 32) * 2, wide = tiles_of(rows.width, 32);
  for (int64_t m = 0; m < high; ++m) {
    for (int64_t k = 0; k < wide; ++k) {
      for (int64_t i = 0; i < 16; ++i) _mm512_store_si512(to + i * 32, load_part(rows, m * 16 + i, k * 32));
      to += kTileNumbers;
    }
  }
}

// Right tiles of the transpose, k the column, n the row: tile (row / 16, column / 32), as above.
inline void pack_right_transposed(const Rows& rows, Bf16* to) {
  int64_t high = tiles_of(rows.count, 32) * 2, wide = tiles_of(rows.width, 32);
  for (int64_t n = 0; n < high; ++n) {
    for (int64_t k = 0; k < wide; ++k) {
      __m512i x[16];
      for (int64_t i = 0; i < 16; ++i) x[i] = load_part(rows, n * 16 + i, k * 32);
      transpose(x);
      store_tile(to, x);
      to += kTileNumbers;
    }
  }
}

// Right tiles, k the row, n the column: tile (column / 16, row / 32), a column's tiles following each other.
// `left` gets the left tiles of the transpose, m the column, k the row, in the same order. Either may be
// null.
inline void pack_right(const Rows& rows, Bf16* right, Bf16* left) {
  int64_t high = tiles_of(rows.count, 32), wide = tiles_of(rows.width, 32);
  for (int64_t n = 0; n < wide; ++n) {
    for (int64_t k = 0; k < high; ++k) {
      __m512i lower[16], upper[16];
      for (int64_t i = 0; i < 16; ++i) {
        __m512i even = load_part(rows, k * 32 + 2 * i, n * 32),
                odd = load_part(rows, k * 32 + 2 * i + 1, n * 32);
        lower[i] = lower_pairs(even, odd);
        upper[i] = upper_pairs(even, odd);
      }
      int64_t tile = (2 * n * high + k) * kTileNumbers, next = high * kTileNumbers;
      if (right != nullptr) {
        store_tile(right + tile, lower);
        store_tile(right + tile + next, upper);
      }
      if (left == nullptr) continue;
      transpose(lower);
      transpose(upper);
      store_tile(left + tile, lower);
      store_tile(left + tile + next, upper);
    }
  }
}

}  // namespace sextant::trainer::amx
