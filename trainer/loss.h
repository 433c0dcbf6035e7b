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

// What a training step minimises; the step knows nothing else of it.
using LossFunction = std::function<LossSum(const Transformer&, const Rows&)>;

// Next-token cross-entropy over the positions whose mask is set; logits stand for `chunk` tokens at a time.
// Inside a training step backward must start at this sum itself (see linear_cross_entropy).
LossFunction next_token_loss(int64_t chunk);

}  // namespace sextant::trainer
