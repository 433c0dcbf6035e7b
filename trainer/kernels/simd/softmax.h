#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// One row of `count` logits.
template <class Number>
struct SoftmaxRow {
  // log sum exp of the row.
  float (*log_sum_exp)(const Number* logits, int64_t count);
  // Where the row's loss is scale * (log_sum_exp - logits[target]): its gradient, scale * (softmax - one at
  // the target); a negative target is none. May write over the logits.
  void (*gradient)(const Number* logits, int64_t count, float log_sum_exp, int64_t target, float scale,
                   Number* dlogits);
};

struct SoftmaxKernels {
  SoftmaxRow<float> fp32;
  SoftmaxRow<Bf16> bf16;
};

namespace plain {
extern const SoftmaxKernels kSoftmaxKernels;
}
namespace avx2 {
extern const SoftmaxKernels kSoftmaxKernels;
}
namespace avx512 {
extern const SoftmaxKernels kSoftmaxKernels;
}

}  // namespace sextant::trainer
