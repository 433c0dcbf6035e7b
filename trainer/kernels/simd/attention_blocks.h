#pragma once

// Products of small fp32 blocks, and what attention's forward and backward share.
#include "trainer/kernels/simd/exponential.h"
#include "trainer/kernels/simd/scratch.h"

namespace sextant::trainer::SEXTANT_SIMD {

constexpr int64_t kBlock = 32;   // queries or keys
constexpr int64_t kChunk = 256;  // keys, or queries, whose probabilities stand in memory together

// A factor read number by number: rows `row` apart, columns `column` apart.
struct Left {
  const float* first;
  int64_t row, column;
};

// A factor or sum read by vectors along its rows.
struct Place {
  float* first;
  int64_t row;
};

enum class Sum { kFresh, kAdded };

template <int kRows, int kVectors>
inline void product_of_registers(Left left, const float* right, int64_t right_row, float* to, int64_t to_row,
                                 int64_t inner, Sum sum) {
  Floats sums[kRows][kVectors];
  for (int m = 0; m < kRows; ++m) {
    for (int n = 0; n < kVectors; ++n) {
      sums[m][n] = sum == Sum::kAdded ? load(to + m * to_row + n * kLanes, Whole{}) : Floats{};
    }
  }
  for (int64_t k = 0; k < inner; ++k) {
    Floats factor[kVectors];
    for (int n = 0; n < kVectors; ++n) factor[n] = load(right + k * right_row + n * kLanes, Whole{});
    for (int m = 0; m < kRows; ++m) {
      Floats number = broadcast(left.first[m * left.row + k * left.column]);
      for (int n = 0; n < kVectors; ++n) sums[m][n] += number * factor[n];
    }
  }
  for (int m = 0; m < kRows; ++m) {
    for (int n = 0; n < kVectors; ++n) store(to + m * to_row + n * kLanes, sums[m][n], Whole{});
  }
}

// to [32, columns] = or += left [32, inner] right [inner, columns]; columns a multiple of 16.
inline void product(Left left, Place right, Place to, int64_t inner, int64_t columns, Sum sum) {
  // As many sums as the registers hold: 32 vectors with AVX-512, 16 else.
  constexpr int kRows = kLanes == 16 ? 8 : 4;
  for (int64_t m = 0; m < kBlock; m += kRows) {
    Left rows{left.first + m * left.row, left.row, left.column};
    float* sums = to.first + m * to.row;
    int64_t n = 0;
    for (; n + 2 * kLanes <= columns; n += 2 * kLanes) {
      product_of_registers<kRows, 2>(rows, right.first + n, right.row, sums + n, to.row, inner, sum);
    }
    if (n < columns) {
      product_of_registers<kRows, 1>(rows, right.first + n, right.row, sums + n, to.row, inner, sum);
    }
  }
}

// Rows of D numbers in memory of their own: to whole blocks, and to whole vectors of any instruction set.
struct Extents {
  int64_t time, width;

  Extents(int64_t rows, const AttentionShape& shape)
      : time((rows + kBlock - 1) / kBlock * kBlock), width((shape.width + 15) / 16 * 16) {}
  int64_t numbers() const { return time * width; }
};

inline Extents query_extents(const AttentionShape& shape) {
  return {shape.time, shape};
}

inline Extents key_extents(const AttentionShape& shape) {
  return {shape.keys, shape};
}

// The key after the last one that a query reads.
inline int64_t end_of_keys(const AttentionShape& shape, int64_t query) {
  int64_t end = query + shape.ahead + 1;
  return end < shape.keys ? end : shape.keys;
}

// Lanes whose number, counted from `first`, is in begin .. end - 1; `other` in the rest.
inline Floats within(Floats x, Floats other, int64_t first, int64_t begin, int64_t end) {
  Integers lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  lane += static_cast<int32_t>(first);
  Integers inside = (lane >= static_cast<int32_t>(begin)) & (lane < static_cast<int32_t>(end));
  return inside ? x : other;
}

template <class Number>
struct Rows {
  const Number* first;
  int64_t stride, count, width;
};

template <class Number>
Rows<Number> queries_of(const Number* tensor, const HeadStrides& strides, int64_t batch, int64_t head,
                        const AttentionShape& shape) {
  return {place_of(tensor, strides, batch, head), strides.time, shape.time, shape.width};
}

template <class Number>
Rows<Number> keys_of(const Number* tensor, const HeadStrides& strides, int64_t batch, int64_t head,
                     const AttentionShape& shape) {
  return {place_of(tensor, strides, batch, head), strides.time, shape.keys, shape.width};
}

// As fp32, [time, width] of the extents, zero outside.
template <class Number>
void pack(const Rows<Number>& rows, const Extents& extents, float* to) {
  for (int64_t t = 0; t < extents.time; ++t, to += extents.width) {
    for (int64_t i = 0; i < extents.width; i += kLanes) store(to + i, Floats{}, Whole{});
    if (t >= rows.count) continue;
    const Number* row = rows.first + t * rows.stride;
    each_vector(rows.width, [&](int64_t i, auto which) { store(to + i, load(row + i, which), which); });
  }
}

// The transpose of what pack made, in panels of 32 rows: [time / 32, width, 32]. A panel lies in one piece:
// with whole rows of the transpose the columns of a block would fall into few sets of the cache.
inline void transpose(const float* packed, const Extents& extents, float* to) {
  for (int64_t panel = 0; panel < extents.time; panel += kBlock) {
    for (int64_t d = 0; d < extents.width; ++d) {
      for (int64_t t = 0; t < kBlock; ++t) *to++ = packed[(panel + t) * extents.width + d];
    }
  }
}

template <class Number>
void write_row(Number* to, const float* from, float scale, int64_t count) {
  each_vector(count, [&](int64_t i, auto which) { store(to + i, load(from + i, which) * scale, which); });
}

inline void add_row(float* to, const float* from, float scale, int64_t count) {
  each_vector(count, [&](int64_t i, auto which) {
    store(to + i, load(to + i, which) + load(from + i, which) * scale, which);
  });
}

inline void clear(float* numbers, int64_t count) {
  for (int64_t i = 0; i < count; ++i) numbers[i] = 0;
}

template <class Number>
void attention_backward(const AttentionBackward<Number>& work, int64_t batch, int64_t kv_head, void* scratch);
int64_t attention_backward_scratch(const AttentionShape& shape);

}  // namespace sextant::trainer::SEXTANT_SIMD
