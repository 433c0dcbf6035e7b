#pragma once

// Matrix multiplies of bf16 by the processor's tile unit. A tile is 16 rows of 64 bytes, 1 KB of memory here:
//   left   16 rows of m, 32 numbers of k each
//   right  16 pairs of k, 16 numbers of n each, the pair's two numbers beside each other
//   sum    16 rows of m, 16 fp32 numbers of n each
// Tiles 0..3 are sums (2 x 2 of them), 4 and 5 lefts, 6 and 7 rights. As in simd/lanes.h, sources of this
// folder include nothing that could be compiled elsewhere too.
#include <immintrin.h>

#include <cstdint>

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer::amx {

constexpr int64_t kTileNumbers = 512;  // of bf16
constexpr int64_t kTileFloats = 256;   // of fp32
constexpr int64_t kRow = 64;           // bytes

// What LDTILECFG reads (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18):
// eight tiles at their full size, unless said otherwise.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The unit is this thread's from here until _tile_release(). Not _tile_loadconfig: g++ 12 believes that it
// reads 8 bytes, and drops the writing of the others.
inline void shape_tiles(const TileShapes& shapes) {
  __asm__ volatile("ldtilecfg %0" ::"m"(shapes));
}

// All eight tiles at their full size, while it lives.
class TileUnit {
 public:
  TileUnit() { shape_tiles({}); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;
  ~TileUnit() { _tile_release(); }
};

// The compiler does not know that a tile load reads memory: what was written must be there before.
inline void finish_writes() {
  __asm__ volatile("" ::: "memory");
}

inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Where the 2 x 2 sums lie: bytes between rows, to the lower tiles, to the right tiles.
struct SumPlace {
  int64_t row, down, right;
};

inline void load_sums(const float* from, SumPlace place) {
  const char* at = reinterpret_cast<const char*>(from);
  _tile_loadd(0, at, place.row);
  _tile_loadd(1, at + place.right, place.row);
  _tile_loadd(2, at + place.down, place.row);
  _tile_loadd(3, at + place.down + place.right, place.row);
}

inline void store_sums(float* to, SumPlace place) {
  char* at = reinterpret_cast<char*>(to);
  _tile_stored(0, at, place.row);
  _tile_stored(1, at + place.right, place.row);
  _tile_stored(2, at + place.down, place.row);
  _tile_stored(3, at + place.down + place.right, place.row);
}

// sums += left right over `steps` tiles of k, which follow each other in memory; `next` is the distance, in
// numbers, of the second row of left tiles or the second column of right tiles.
inline void multiply(const Bf16* left, int64_t left_next, const Bf16* right, int64_t right_next,
                     int64_t steps) {
  for (int64_t step = 0; step < steps; ++step) {
    _tile_loadd(4, left, kRow);
    _tile_loadd(6, right, kRow);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right + right_next, kRow);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left + left_next, kRow);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    left += kTileNumbers;
    right += kTileNumbers;
  }
}

}  // namespace sextant::trainer::amx
