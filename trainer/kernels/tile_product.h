#pragma once

#include <cstdint>
#include <vector>

#include "parallel/gradient_sink.h"
#include "trainer/kernels/amx/product_steps.h"

namespace sextant::trainer {

// Products of large bf16 matrices on the tile unit (amx/tiles.h), sums in fp32. The threads share the columns
// of the result, or its rows where it has few columns. Each output is summed over the depth in one order, so
// results do not depend on the number of threads.

// True where processor and operating system have the unit (see instruction_set).
bool tile_unit();

// A row-major matrix whose rows are `stride` numbers apart.
struct TileMatrix {
  const Bf16* data;
  int64_t stride;
};

// Whether a matrix is what the product wants, or its transpose.
enum class Lies { kStraight, kTransposed };

// One product left [m, depth] times right [depth, n]; those of a list are summed.
struct TileFactor {
  TileMatrix left, right;
  int64_t depth;
};

struct TileProduct {
  std::vector<TileFactor> factors;
  Lies left = Lies::kStraight, right = Lies::kStraight;
  int64_t m, n;
};

// result [m, n] in bf16, with bias [n] or null.
void multiply(const TileProduct& product, Bf16* result, int64_t stride, const Bf16* bias);

// result in fp32, [m, n], or [n, m] where it lies transposed.
void multiply(const TileProduct& product, float* result, int64_t stride, Lies lies, parallel::Onto onto);

}  // namespace sextant::trainer
