#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/kernels/linear.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/tensor_share.h"

namespace sextant::trainer {

// Linear layers together with the cheap operation that makes their input. Fused, because the pair decides
// what is kept for backward: the operation's result too (kKeep), or its inputs alone, from which backward
// makes it again (kRecompute, the "selective" recompute setting).
enum class Produced { kKeep, kRecompute };

// Where ranks share a layer (n of them), B batch, T time: with a stream in shards the functions below gather
// and scatter along T, keep shards alone for backward and gather once more there, while the input's gradient
// is computed; gradients of what is whole on every rank are those of its own shard or slice.

// With share.blocks all is kept, whatever `produced` says (see trainer/kernels/fixed_blocks).

// One output [..., out_i] for each layer, all reading norm(x), with biases in all of
// them or in none. x [..., C]. Shared, these are column layers: x [B, T/n, C] in shards, outputs [B, T,
// out_i].
std::vector<at::Tensor> norm_linear(const at::Tensor& x, const at::Tensor& norm_weight,
                                    const at::Tensor& norm_bias, double epsilon,
                                    const std::vector<Linear>& layers, Produced produced,
                                    TensorShare share = {}, NormSinks sinks = {});

// A layer by itself, [..., in] to [..., out]; without gradient by inference_linear. Shared, this is
// a row layer: x [B, T, in/n] to [B, T/n, out] in shards, the bias added once.
at::Tensor linear(const at::Tensor& x, const Linear& layer, TensorShare share = {});

// layer(activation(gate, up)), gate undefined for the plain activation. gate, up [..., F] to [..., out].
// Shared as linear() is.
at::Tensor activation_linear(const at::Tensor& gate, const at::Tensor& up, const Linear& layer,
                             Produced produced, TensorShare share = {});

}  // namespace sextant::trainer
