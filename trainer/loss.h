#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "trainer/model/transformer.h"
#include "trainer/rows.h"

namespace sextant::trainer {

// Losses are sums beside the count that they are to be divided by, once, over all microbatches and ranks: so
// no split of the batch changes the answer.
struct LossSum {
  at::Tensor sum;    // scalar, differentiable
  at::Tensor count;  // scalar fp64: positions that count
};

// What a training step minimises; the step knows nothing else of it. hidden [B, T, C] is what the model's
// last stage gives for the rows.
using LossFunction = std::function<LossSum(const Transformer&, const at::Tensor& hidden, const Rows&)>;

// The loss of rows through a model whose stages are all here.
LossSum loss_of(const Transformer& model, const Rows& rows, const LossFunction& loss);

// Next-token cross-entropy over the positions whose mask is set; logits stand for `chunk` tokens at a time.
// Inside a training step backward must start at this sum itself (see linear_cross_entropy).
LossFunction next_token_loss(int64_t chunk);

}  // namespace sextant::trainer
