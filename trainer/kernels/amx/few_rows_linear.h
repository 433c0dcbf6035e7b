#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer::amx {

constexpr int64_t kTileRows = 16;   // of a tile
constexpr int64_t kTileDepth = 32;  // bf16 numbers in a tile's row
constexpr int64_t kColumns = 32;    // input rows that one pass over the weights serves: two tiles

// output[m, n] = sum_k input[m, k] weight[n, k] + bias[n], sums in fp32. The weights are the left operand in
// the order in which memory holds them, so they are read once and never rearranged; the inputs are packed
// instead (pack). A result's bits do not depend on the number of rows. `in` is a multiple of kTileDepth, out
// at least kTileRows.
template <class Output>
struct Linear {
  const Bf16* packed;  // of the inputs, made by pack
  const Bf16* weight;  // [out, in]
  const Bf16* bias;    // [out] or null
  Output* output;      // [rows, out]
  int64_t rows, in, out;
};

// input [rows, in] as pairs of neighbours, a block of up to kTileRows rows after the other: within a block of
// c rows, pair k of its row m is at number 2 (k c + m). packed has rows * in numbers; one row stays as it is.
void pack(const Bf16* input, int64_t rows, int64_t in, Bf16* packed);

// Outputs first .. last - 1 of every row.
void linear(const Linear<Bf16>& work, int64_t first, int64_t last);
void linear(const Linear<float>& work, int64_t first, int64_t last);

}  // namespace sextant::trainer::amx
