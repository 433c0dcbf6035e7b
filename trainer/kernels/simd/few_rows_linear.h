#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// output[m, n] = sum_k input[m, k] weight[n, k] + bias[n], for few rows m: weights are read once and bound
// the speed. A result's bits do not depend on the number of rows.
template <class Number, class Output>
struct FewRowsLinear {
  const float* input;    // [rows, in]
  const Number* weight;  // [out, in]
  const Number* bias;    // [out] or null
  Output* output;        // [rows, out]
  int64_t rows, in, out;
};

struct FewRowsLinearKernels {
  // Each computes outputs first .. last - 1 of every row.
  void (*fp32)(const FewRowsLinear<float, float>&, int64_t first, int64_t last);
  void (*bf16)(const FewRowsLinear<Bf16, Bf16>&, int64_t first, int64_t last);
  void (*bf16_to_fp32)(const FewRowsLinear<Bf16, float>&, int64_t first, int64_t last);
};

namespace plain {
extern const FewRowsLinearKernels kFewRowsLinearKernels;
}
namespace avx2 {
extern const FewRowsLinearKernels kFewRowsLinearKernels;
}
namespace avx512 {
extern const FewRowsLinearKernels kFewRowsLinearKernels;
}

}  // namespace sextant::trainer
