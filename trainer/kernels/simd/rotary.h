#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// One token: all its heads turned by the same angles. Pairs are (d, d + half).
template <class Number>
struct RotaryToken {
  const Number* x;
  int64_t head_stride;
  Number* turned;              // [heads, 2 half]
  const float *cosine, *sine;  // [half]
  float direction;             // 1, or -1 to turn back
  int64_t heads, half;
};

struct RotaryKernels {
  void (*fp32)(const RotaryToken<float>&);
  void (*bf16)(const RotaryToken<Bf16>&);
};

namespace plain {
extern const RotaryKernels kRotaryKernels;
}
namespace avx2 {
extern const RotaryKernels kRotaryKernels;
}
namespace avx512 {
extern const RotaryKernels kRotaryKernels;
}

}  // namespace sextant::trainer
