#pragma once

#include "trainer/kernels/simd/split_bits.h"

namespace sextant::trainer {

// One stretch of a parameter with all that an update reads and writes.
struct AdamWStretch {
  float* master;  // null: split
  const float* grad;
  float* first_moment;
  float* second_moment;
  Bf16* copy;         // null, or where the new weights are written in bf16
  SplitMemory split;  // where there is no master: of its first number, at the beginning of 16 ties
  int64_t count;
};

// The update's constants:
//   g = gradient_scale grad,  m += (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2
//   w = kept w - step m / (root_scale sqrt(v) + epsilon)
struct AdamWRates {
  float gradient_scale;
  float one_minus_beta1, beta2, one_minus_beta2;
  float kept;        // 1 - learning rate * decay
  float step;        // learning rate / (1 - beta1^t)
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
};

struct AdamWKernels {
  void (*update)(const AdamWStretch&, const AdamWRates&);
};

namespace plain {
extern const AdamWKernels kAdamWKernels;
}
namespace avx2 {
extern const AdamWKernels kAdamWKernels;
}
namespace avx512 {
extern const AdamWKernels kAdamWKernels;
}

}  // namespace sextant::trainer
