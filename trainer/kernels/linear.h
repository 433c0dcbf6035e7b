#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/gradient_sink.h"
#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// The matrix multiplies of linear layers: bf16 on the tile unit where the processor has it (tile_product),
// widened to fp32 where it has no instruction for bf16, all else through ATen. N rows; without autograd.

// A weight [out, in] and a bias [out] or none. Sinks are where their gradients go, null where autograd is to
// carry them.
struct Linear {
  at::Tensor weight;
  at::Tensor bias;
  parallel::GradientSink* weight_sink = nullptr;
  parallel::GradientSink* bias_sink = nullptr;
};

// x weight^T + bias. [..., in] to [..., out].
at::Tensor linear_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
// The same into a result [N, out] whose rows may lie apart.
void linear_forward_into(const at::Tensor& result, const at::Tensor& x, const at::Tensor& weight);

// Sum over the layers that read the same input: grads[i] [N, out_i] times weights[i] [out_i, in]. [N, in].
at::Tensor linear_input_gradient(const std::vector<at::Tensor>& grads,
                                 const std::vector<at::Tensor>& weights);

// grad^T x, grad [N, out] and x [N, in], to or onto `into` [out, in], which may be of a wider type.
void linear_weight_gradient(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& into,
                            parallel::Onto onto);

// Sums of grad's columns, to or onto `into` [out].
void linear_bias_gradient(const at::Tensor& grad, const at::Tensor& into, parallel::Onto onto,
                          InstructionSet set = instruction_set());

// The type whose multiply does the work of products of this type on this device: fp32 for bf16 on a processor
// below AVX-512, whose bf16 multiply is a plain loop in ATen; the type itself elsewhere.
at::ScalarType product_type(at::ScalarType type, at::Device device, InstructionSet set = instruction_set());

}  // namespace sextant::trainer
