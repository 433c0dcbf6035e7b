#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// sums[c] += the sum over rows of x[row, c], for columns first .. last - 1, rows in their order.
template <class Number>
using ColumnSum = void (*)(const Number* x, int64_t stride, int64_t rows, int64_t first, int64_t last,
                           float* sums);

struct ColumnSumKernels {
  ColumnSum<float> fp32;
  ColumnSum<Bf16> bf16;
};

namespace plain {
extern const ColumnSumKernels kColumnSumKernels;
}
namespace avx2 {
extern const ColumnSumKernels kColumnSumKernels;
}
namespace avx512 {
extern const ColumnSumKernels kColumnSumKernels;
}

}  // namespace sextant::trainer
