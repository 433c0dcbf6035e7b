#pragma once

#include "trainer/kernels/norm.h"

namespace sextant::trainer {

// norm.h's functions for fp32 and bf16 on a CPU, over simd/norm. Arguments and results as there; addend may
// be undefined, and total then is x.
AddedNorm norm_rows_forward(const at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight,
                            const at::Tensor& bias, double epsilon, InstructionSet set);
NormGradients norm_rows_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight,
                                 const at::Tensor& bias, const NormStatistics& statistics,
                                 const at::Tensor& skip, InstructionSet set);

}  // namespace sextant::trainer
