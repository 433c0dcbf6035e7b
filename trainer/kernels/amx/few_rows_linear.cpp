#include "trainer/kernels/amx/few_rows_linear.h"

#include "trainer/kernels/amx/bf16.h"
#include "trainer/kernels/amx/tiles.h"

namespace sextant::trainer::amx {
namespace {

// How many input rows the tiles are set up for.
struct Columns {
  int64_t left = 0, right = 0;
};

// Tiles 0 to 3 are sums (outputs by input rows), 4 and 5 weights, 6 and 7 packed inputs. `left` input rows
// are in the even ones of sums and inputs, `right` in the odd.
void shape_for(Columns& now, int64_t left, int64_t right) {
  if (now.left == left && now.right == right) return;
  now = {left, right};
  TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) {
    if (tile == 4 || tile == 5) continue;
    int64_t columns = tile % 2 == 0 ? left : right;
    shapes.row_bytes[tile] = static_cast<uint16_t>(4 * (columns > 0 ? columns : 1));
  }
  shape_tiles(shapes);
}

// One block of outputs by input rows: `wide` reads two tiles of weights, `both` two of inputs.
struct Block {
  const Bf16* weight;  // the first output's
  const Bf16* inputs;  // packed; of the left rows
  int64_t in, left, right;
  float* sums;  // [4][16, kTileRows]: tile t's at kTileFloats t, output by input row
};

template <bool kWide, bool kBoth>
void multiply(const Block& block) {
  int64_t row_bytes = block.in * 2;
  const Bf16* lower = block.weight + kTileRows * block.in;
  const Bf16* right = block.inputs + block.left * block.in;
  _tile_zero(0);
  if constexpr (kBoth) _tile_zero(1);
  if constexpr (kWide) _tile_zero(2);
  if constexpr (kWide && kBoth) _tile_zero(3);
  for (int64_t k = 0; k < block.in; k += kTileDepth) {
    _tile_loadd(4, block.weight + k, row_bytes);
    _tile_loadd(6, block.inputs + k * block.left, block.left * 4);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kBoth) {
      _tile_loadd(7, right + k * block.right, block.right * 4);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kWide) {
      _tile_loadd(5, lower + k, row_bytes);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kBoth) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, block.sums, block.left * 4);
  if constexpr (kBoth) _tile_stored(1, block.sums + kTileFloats, block.right * 4);
  if constexpr (kWide) _tile_stored(2, block.sums + 2 * kTileFloats, block.left * 4);
  if constexpr (kWide && kBoth) _tile_stored(3, block.sums + 3 * kTileFloats, block.right * 4);
}

void multiply(const Block& block, bool wide) {
  if (wide) {
    block.right > 0 ? multiply<true, true>(block) : multiply<true, false>(block);
  } else {
    block.right > 0 ? multiply<false, true>(block) : multiply<false, false>(block);
  }
}

void put(float* to, __m512 x, __mmask16 which) {
  _mm512_mask_storeu_ps(to, which, x);
}

void put(Bf16* to, __m512 x, __mmask16 which) {
  _mm256_mask_storeu_epi16(to, which, (__m256i)_mm512_cvtneps_pbh(x));
}

// Writes outputs n + skip .. n + 15 for `columns` input rows from `row` on. sums [16 outputs, columns].
template <class Output>
void write(const Linear<Output>& work, const float* sums, int64_t columns, int64_t row, int64_t n,
           int64_t skip) {
  auto which = static_cast<__mmask16>(0xffffU << skip);
  __m512 bias = _mm512_setzero_ps();
  if (work.bias != nullptr) {
    bias = widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(work.bias + n)));
  }
  __m512i step = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                    _mm512_set1_epi32(static_cast<int>(columns)));
  for (int64_t m = 0; m < columns; ++m) {
    __m512 x = columns == 1 ? _mm512_loadu_ps(sums) : _mm512_i32gather_ps(step, sums + m, 4);
    put(work.output + (row + m) * work.out + n, _mm512_add_ps(x, bias), which);
  }
}

// The outputs n .. n + 15 (and 16 more where wide) of all input rows; those before `begin` were done before.
template <class Output>
void outputs(const Linear<Output>& work, Columns& shaped, int64_t n, int64_t begin, bool wide) {
  alignas(64) float sums[4 * kTileFloats];
  for (int64_t row = 0; row < work.rows; row += kColumns) {
    int64_t columns = work.rows - row < kColumns ? work.rows - row : kColumns;
    int64_t left = columns < kTileRows ? columns : kTileRows, right = columns - left;
    shape_for(shaped, left, right);
    multiply({work.weight + n * work.in, work.packed + row * work.in, work.in, left, right, sums}, wide);
    write(work, sums, left, row, n, begin - n);
    if (right > 0) write(work, sums + kTileFloats, right, row + left, n, begin - n);
    if (wide) write(work, sums + 2 * kTileFloats, left, row, n + kTileRows, 0);
    if (wide && right > 0) write(work, sums + 3 * kTileFloats, right, row + left, n + kTileRows, 0);
  }
}

template <class Output>
void all_outputs(const Linear<Output>& work, int64_t first, int64_t last) {
  Columns shaped;
  int64_t n = first;
  for (; n + 2 * kTileRows <= last; n += 2 * kTileRows) outputs(work, shaped, n, n, true);
  for (; n + kTileRows <= last; n += kTileRows) outputs(work, shaped, n, n, false);
  // The last tile reaches back, so that it stays inside the weights.
  if (n < last) outputs(work, shaped, last - kTileRows, n, false);
  _tile_release();
}

}  // namespace

void pack(const Bf16* input, int64_t rows, int64_t in, Bf16* packed) {
  for (int64_t row = 0; row < rows; row += kTileRows) {
    int64_t columns = rows - row < kTileRows ? rows - row : kTileRows;
    auto* to = reinterpret_cast<char*>(packed + row * in);
    for (int64_t m = 0; m < columns; ++m) {
      const Bf16* from = input + (row + m) * in;
      for (int64_t pair = 0; pair < in / 2; ++pair) {
        __builtin_memcpy(to + 4 * (pair * columns + m), from + 2 * pair, 4);
      }
    }
  }
}

void linear(const Linear<Bf16>& work, int64_t first, int64_t last) {
  all_outputs(work, first, last);
}

void linear(const Linear<float>& work, int64_t first, int64_t last) {
  all_outputs(work, first, last);
}

}  // namespace sextant::trainer::amx
