#include "trainer/kernels/amx/product_steps.h"

#include "trainer/kernels/amx/registers.h"

namespace sextant::trainer::amx_product {
namespace {

constexpr int64_t kRowBytes = 64;      // of a tile
constexpr int64_t kTileNumbers = 512;  // bf16
constexpr int64_t kTileSums = 256;     // fp32

// What ldtilecfg reads (Intel's manual, volume 1, 18.2).
struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

constexpr Configuration eight_full_tiles() {
  Configuration result;
  for (int tile = 0; tile < 8; ++tile) {
    result.row_bytes[tile] = kRowBytes;
    result.rows[tile] = 16;
  }
  return result;
}

// A constant of the program: g++ 12 believes that ldtilecfg reads 8 bytes and would drop the rest's writing.
constexpr Configuration kConfiguration = eight_full_tiles();

// Tiles 0 .. 3 hold sums; 4, 5 the left block's row halves; 6, 7 the right block's column halves.
inline void accumulate(const uint16_t* left, const uint16_t* right, int64_t steps) {
  for (int64_t step = 0; step < steps; ++step, left += kStepNumbers, right += kStepNumbers) {
    _tile_loadd(4, left, kRowBytes);
    _tile_loadd(6, right, kRowBytes);
    _tile_loadd(7, right + kTileNumbers, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, left + kTileNumbers, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

inline void store_sums(float* sums) {
  _tile_stored(0, sums, kRowBytes);
  _tile_stored(1, sums + kTileSums, kRowBytes);
  _tile_stored(2, sums + 2 * kTileSums, kRowBytes);
  _tile_stored(3, sums + 3 * kTileSums, kRowBytes);
}

// Sixteen of the 32 columns of one row of sums.
inline const float* sums_of(const float* sums, int64_t row, int64_t half) {
  return sums + ((row / 16) * 2 + half) * kTileSums + (row % 16) * 16;
}

inline __m512 widen(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

}  // namespace

void begin() {
  _tile_loadconfig(&kConfiguration);
}

void end() {
  _tile_release();
}

void multiply(const uint16_t* left, const uint16_t* right, int64_t steps, float* sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  accumulate(left, right, steps);
  store_sums(sums);
}

void multiply_add(const uint16_t* left, const uint16_t* right, int64_t steps, float* sums) {
  _tile_loadd(0, sums, kRowBytes);
  _tile_loadd(1, sums + kTileSums, kRowBytes);
  _tile_loadd(2, sums + 2 * kTileSums, kRowBytes);
  _tile_loadd(3, sums + 3 * kTileSums, kRowBytes);
  accumulate(left, right, steps);
  store_sums(sums);
}

void finish(const float* sums, const uint16_t* bias, const Target<uint16_t>& target) {
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
    auto rounded = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm512_mask_storeu_epi16(target.data + row * target.stride, both, rounded);
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

void transpose(float* sums) {
  __m512i tiles[4][16];
  for (int tile = 0; tile < 4; ++tile) {
    for (int64_t row = 0; row < 16; ++row)
      tiles[tile][row] = _mm512_load_si512(sums + tile * kTileSums + row * 16);
    transpose_16x16(tiles[tile]);
  }
  constexpr int kMirrored[4] = {0, 2, 1, 3};
  for (int tile = 0; tile < 4; ++tile) {
    float* to = sums + kMirrored[tile] * kTileSums;
    for (int64_t row = 0; row < 16; ++row) _mm512_store_si512(to + row * 16, tiles[tile][row]);
  }
}

}  // namespace sextant::trainer::amx_product
