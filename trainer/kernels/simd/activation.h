#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// Number by number over `count` of them; the formulas stand in trainer/kernels/activation.h. gate is null for
// the plain activation, and so is dgate then.
template <class Number>
struct ActivationPass {
  void (*forward)(const Number* gate, const Number* up, Number* activated, int64_t count);
  void (*backward)(const Number* grad, const Number* gate, const Number* up, Number* dgate, Number* dup,
                   int64_t count);
};

struct ActivationKernels {
  ActivationPass<float> fp32;
  ActivationPass<Bf16> bf16;
};

namespace plain {
extern const ActivationKernels kActivationKernels;
}
namespace avx2 {
extern const ActivationKernels kActivationKernels;
}
namespace avx512 {
extern const ActivationKernels kActivationKernels;
}

}  // namespace sextant::trainer
