#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "parallel/gradient_sink.h"
#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// Normalisation over the last dim. B batch, T time, C channels; rows are all dims but the last.
// Arithmetic is fp32 for bf16 input (fp64 stays fp64); results have x's type.

// What backward needs besides x and weight; a second number a row only for LayerNorm.
struct NormStatistics {
  at::Tensor mean;               // [rows, 1]; undefined for RMSNorm
  at::Tensor reciprocal_spread;  // [rows, 1] 1 / sqrt(variance or mean square + epsilon)
};

// Where the gradients of a norm's weight and bias go; null where autograd is to carry them.
struct NormSinks {
  parallel::GradientSink* weight = nullptr;
  parallel::GradientSink* bias = nullptr;
};

// Gradients; bias is undefined for RMSNorm.
struct NormGradients {
  at::Tensor x;       // [..., C]
  at::Tensor weight;  // [C]
  at::Tensor bias;    // [C]
};

// RMSNorm where bias is undefined: x / sqrt(mean(x^2) + epsilon) * weight (Zhang & Sennrich 2019, eq. 4).
// LayerNorm where it is given (Ba et al. 2016, eq. 4).
std::tuple<at::Tensor, NormStatistics> norm_forward(const at::Tensor& x, const at::Tensor& weight,
                                                    const at::Tensor& bias, double epsilon,
                                                    InstructionSet set = instruction_set());

// The same of total = x + addend in one pass, as a residual stream wants it: both are kept.
struct AddedNorm {
  at::Tensor total;  // [..., C] of x's type
  at::Tensor normed;
  NormStatistics statistics;
};
AddedNorm add_norm_forward(const at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight,
                           const at::Tensor& bias, double epsilon, InstructionSet set = instruction_set());

// skip: undefined, or what else flows back into x, added to its gradient. After add_norm_forward x is
// `total`, skip its own gradient, and the result's x the gradient of both summands.
NormGradients norm_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const NormStatistics& statistics,
                            const at::Tensor& skip = {}, InstructionSet set = instruction_set());

// The same under autograd; keeps x and the statistics only.
at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon);

struct TotalAndNorm {
  at::Tensor total, normed;
};
// add_norm_forward under autograd; keeps total and the statistics only.
TotalAndNorm add_norm(const at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight,
                      const at::Tensor& bias, double epsilon);

}  // namespace sextant::trainer
