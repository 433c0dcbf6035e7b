#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// Rows [rows, C] of fp32 or bf16; weights and statistics are fp32. RMSNorm where bias and mean are null.
template <class Number>
struct NormForward {
  const Number* x;
  const Number* addend;  // null, or [rows, C] added to x before the norm
  Number* total;         // x + addend as the norm sees it, where there is an addend
  const float* weight;
  const float* bias;
  Number* y;
  float* mean;               // [rows]
  float* reciprocal_spread;  // [rows]
  int64_t width;
  float epsilon;
};

template <class Number>
struct NormBackward {
  const Number* grad;
  const Number* x;
  const float* weight;
  const float* mean;
  const float* reciprocal_spread;
  const Number* skip;  // null, or [rows, C] a gradient of x from elsewhere, added to dx
  Number* dx;
  int64_t width;
};

// Each works on rows first .. last - 1. dweight and dbias [C] are added to; dbias is null for RMSNorm.
template <class Number>
struct NormRows {
  void (*forward)(const NormForward<Number>&, int64_t first, int64_t last);
  void (*backward)(const NormBackward<Number>&, int64_t first, int64_t last, float* dweight, float* dbias);
};

struct NormKernels {
  NormRows<float> fp32;
  NormRows<Bf16> bf16;
};

namespace plain {
extern const NormKernels kNormKernels;
}
namespace avx2 {
extern const NormKernels kNormKernels;
}
namespace avx512 {
extern const NormKernels kNormKernels;
}

}  // namespace sextant::trainer
