#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer::amx {

// The steps of a bf16 matrix multiply on the tile unit of newer Intel processors (AMX): 16 x 16 sums in fp32
// of products of bf16, 16,384 floating-point operations in 16 cycles.
//
// The unit reads memory in its own order (amx/tiles.h). A `block` is 32 rows of the left matrix, or 32
// columns of the right one, over a depth of 32 s: the s tiles of its first half, then those of its second.
// Sums of 32 x 32 outputs are four tiles of fp32, [2 row halves][2 column halves][16][16].
constexpr int64_t kProductBlock = 32;               // rows or columns of a block
constexpr int64_t kStep = 32;                       // depth of a step
constexpr int64_t kStepNumbers = int64_t{2} * 512;  // numbers of a block in one step
constexpr int64_t kSums = kProductBlock * kProductBlock;

// The unit's configuration for this thread, between begin and end.
void begin_product();
void end_product();

// A part of a row-major matrix: `rows` x `columns` numbers, `stride` numbers from row to row. Where it has
// fewer than a block or a step wants, zeros are put in.
struct Part {
  const Bf16* data;
  int64_t stride;
  int64_t rows, columns;
};

// A left matrix [32, depth] as it is, or its transpose [depth, 32], to a block of depth / 32 steps, rounded
// up.
void pack_left_block(const Part& part, Bf16* block);
void pack_left_block_transposed(const Part& part, Bf16* block);
// A right matrix [depth, 32] as it is, or its transpose [32, depth].
void pack_right_block(const Part& part, Bf16* block);
void pack_right_block_transposed(const Part& part, Bf16* block);

// Some steps of a packed block.
struct Steps {
  const Bf16* first;  // of them, in the block's first half
  int64_t of_block;   // all the steps that the block has
};

// sums = left right, or sums += left right, over `steps` steps.
void multiply_steps(Steps left, Steps right, int64_t steps, float* sums);
void multiply_add_steps(Steps left, Steps right, int64_t steps, float* sums);

// Where the first rows x columns of the sums go, at most 32 x 32.
template <class Number>
struct Target {
  Number* data;
  int64_t stride;
  int64_t rows, columns;
};

// To bf16, rounded to nearest; bias [columns] or null is added.
void finish(const float* sums, const Bf16* bias, const Target<Bf16>& target);
// To fp32, written or added; transposed: the target is [columns, rows] of what the sums are.
void write(const float* sums, const Target<float>& target);
void add(const float* sums, const Target<float>& target);
void transpose_sums(float* sums);

}  // namespace sextant::trainer::amx
