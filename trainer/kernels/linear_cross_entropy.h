#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/gradient_sink.h"
#include "parallel/group.h"

namespace sextant::trainer {

// N tokens, C channels, V vocabulary.

// Sum over tokens of token_weights[n] * -log softmax(hidden[n] weight^T)[targets[n]], as a scalar (fp32; fp64
// in fp64). Logits stand in memory for `chunk` tokens at a time and never whole: forward makes the gradients
// of hidden and weight on the way, chunk by chunk, and backward only scales them. Softmax and sums are at
// least fp32; logits are hidden's type. hidden [N, C], weight [V, C], targets [N] int64, token_weights [N] (0
// leaves a token out). With a sink forward puts the weight's gradient there at once, and backward must come
// with the factor 1 that sum.backward() brings.
//
// Where the R ranks of a group share the weight, each has its [V/R, C] and all have the same hidden and
// targets; two numbers a token go over the network for the softmax (Shoeybi et al. 2019, section 3). The sum
// is the same on every rank; hidden's gradient is this part of the vocabulary's alone: the ranks' gradients
// add up. All must call together.
//
// `blocks`: this rank's part of the vocabulary is looked at in so many blocks, whose sums go by
// parallel/tree_sum; with ranks that each have as many, the bits depend on the blocks of all alone (see
// kernels/fixed_blocks).
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                                const at::Tensor& token_weights, int64_t chunk,
                                parallel::GradientSink* weight_sink = nullptr,
                                parallel::Group* shared_by = nullptr, int64_t blocks = 1);

// log softmax(hidden weight^T)[targets], [N], without gradient; the same chunks, and shared in the same way.
at::Tensor target_log_probabilities(const at::Tensor& hidden, const at::Tensor& weight,
                                    const at::Tensor& targets, int64_t chunk,
                                    parallel::Group* shared_by = nullptr);

}  // namespace sextant::trainer
