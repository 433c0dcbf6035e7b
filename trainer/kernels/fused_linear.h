#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/kernels/linear.h"

namespace sextant::trainer {

// Linear layers together with the cheap operation that makes their input. Fused, because the pair decides
// what is kept for backward: the operation's result too (kKeep), or its inputs alone, from which backward
// makes it again (kRecompute, the "selective" recompute setting).
enum class Produced { kKeep, kRecompute };

// One output [..., out_i] for each layer, all reading norm(x), with biases in all of
// them or in none. x [..., C].
std::vector<at::Tensor> norm_linear(const at::Tensor& x, const at::Tensor& norm_weight,
                                    const at::Tensor& norm_bias, double epsilon,
                                    const std::vector<Linear>& layers, Produced produced);

// A layer by itself, [..., in] to [..., out]; the few rows of generation by few_rows_linear.
at::Tensor linear(const at::Tensor& x, const Linear& layer);

// layer(activation(gate, up)), gate undefined for the plain activation. gate, up [..., F] to [..., out].
at::Tensor activation_linear(const at::Tensor& gate, const at::Tensor& up, const Linear& layer,
                             Produced produced);

}  // namespace sextant::trainer
