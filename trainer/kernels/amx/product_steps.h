#pragma once

#include <cstdint>

namespace sextant::trainer::amx_product {

// The steps of a bf16 matrix multiply on the tile unit of newer Intel processors (AMX): 16 x 16 sums in fp32
// of products of bf16, 16,384 floating-point operations in 16 cycles.
//
// The unit reads memory in its own order. A `block` is 32 rows of the left matrix, or 32 columns of the right
// one, over a depth of 32 s: for each of the s steps two tiles of 1,024 bytes. Sums of 32 x 32 outputs are
// four tiles of fp32, [2 row halves][2 column halves][16][16].
//
// Sources of this folder are compiled for such processors and include <cstdint> and the compiler's intrinsics
// only (see simd/lanes.h for why). bf16 numbers are their bits.
constexpr int64_t kBlock = 32;                      // rows or columns of a block
constexpr int64_t kStep = 32;                       // depth of a step
constexpr int64_t kStepNumbers = int64_t{2} * 512;  // numbers of a block in one step
constexpr int64_t kSums = kBlock * kBlock;          // numbers of a block of sums

// The unit's configuration for this thread, between begin and end.
void begin();
void end();

// A part of a row-major matrix: `rows` x `columns` numbers, `stride` numbers from row to row. Where it has
// fewer than a block or a step wants, zeros are put in.
struct Part {
  const uint16_t* data;
  int64_t stride;
  int64_t rows, columns;
};

// Left matrix [32, depth] as it is, or its transpose [depth, 32].
void pack_left(const Part& part, int64_t steps, uint16_t* block);
void pack_left_transposed(const Part& part, int64_t steps, uint16_t* block);
// Right matrix [depth, 32] as it is, or its transpose [32, depth].
void pack_right(const Part& part, int64_t steps, uint16_t* block);
void pack_right_transposed(const Part& part, int64_t steps, uint16_t* block);

// sums = left right, or sums += left right.
void multiply(const uint16_t* left, const uint16_t* right, int64_t steps, float* sums);
void multiply_add(const uint16_t* left, const uint16_t* right, int64_t steps, float* sums);

// Where the first rows x columns of the sums go, at most 32 x 32.
template <class Number>
struct Target {
  Number* data;
  int64_t stride;
  int64_t rows, columns;
};

// To bf16, rounded to nearest; bias [columns] or null is added.
void finish(const float* sums, const uint16_t* bias, const Target<uint16_t>& target);
// To fp32, written or added; transposed: the target is [columns, rows] of what the sums are.
void write(const float* sums, const Target<float>& target);
void add(const float* sums, const Target<float>& target);
void transpose(float* sums);

}  // namespace sextant::trainer::amx_product
