#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/group.h"

namespace sextant::trainer {

// What a softmax over the vocabulary says of chosen tokens; without gradient.
struct TargetScores {
  at::Tensor log_probabilities;  // [P] fp64
  at::Tensor likeliest;          // [P] bool: no other token's logit is larger
};

// Of token targets[p] where hidden[rows[p]] stands; hidden [N, C], weight [V, C], rows and targets [P] int64.
// Logits stand in memory for a part of the vocabulary at a time, the same one for up to 1024 rows, so that a
// row's results depend on the others no more than inference_linear makes them. Softmax and sums are at least
// fp32.
//
// Where the R ranks of a group share the weight, each has its [V/R, C], all have the same hidden, rows and
// targets, and each gets the whole; all must call together.
TargetScores target_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& rows,
                           const at::Tensor& targets, parallel::Group* shared_by = nullptr);

}  // namespace sextant::trainer
