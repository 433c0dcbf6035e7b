#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// The feed-forward's activation, [..., F] to [..., F]:
//   gated    silu(gate) * up     (SwiGLU, Shazeer 2020, eq. 6)
//   plain    gelu(up), tanh form (Hendrycks & Gimpel 2016), where gate is undefined
// Arithmetic is fp32 for bf16 (fp64 stays fp64).
at::Tensor activation_forward(const at::Tensor& gate, const at::Tensor& up,
                              InstructionSet set = instruction_set());

struct ActivationGradients {
  at::Tensor gate;  // undefined where gate is
  at::Tensor up;
};

ActivationGradients activation_backward(const at::Tensor& grad, const at::Tensor& gate, const at::Tensor& up,
                                        InstructionSet set = instruction_set());

// The same under autograd; keeps gate and up.
at::Tensor activation(const at::Tensor& gate, const at::Tensor& up);

}  // namespace sextant::trainer
