#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/loss.h"

namespace sextant::rlhf {

// What a microbatch of comparisons (data/chat/comparison_set.h) is to a reward model. A answers of all of its
// comparisons, P pairs of a better and a worse answer to one prompt; ties are no pairs.
struct Pairs {
  at::Tensor scores;   // [A], of each answer's last token; differentiable
  at::Tensor gaps;     // [P] score of the better minus that of the worse; differentiable
  at::Tensor margins;  // [P] fp32
  at::Tensor shares;   // [P] fp64: one over the pairs of the prompt
  at::Tensor prompts;  // scalar fp64: prompts with a pair
};

// `values` [B, T] are the scores of all tokens.
Pairs pairs_of(const at::Tensor& values, const trainer::Rows& rows);
// By a model, of what its last stage gives; ranks that share it call together, and each gets the whole.
Pairs pairs_of(const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows);

// The reward model's loss of Ouyang et al. 2022 (InstructGPT, eq. 1), each prompt with all of its answers as
// one element: the mean over its pairs of -log sigmoid(better - worse - margin), summed over prompts; the
// count is prompts. Margins as in Touvron et al. 2023 (Llama 2, eq. 2).
trainer::LossFunction pairwise_loss();

// The sum of all answers' scores beside their number: for their mean.
trainer::LossFunction score_sum();

}  // namespace sextant::rlhf
