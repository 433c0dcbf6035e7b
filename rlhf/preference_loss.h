#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "rlhf/dpo.pb.h"
#include "trainer/loss.h"

namespace sextant::rlhf {

// A answers of all comparisons of a microbatch (data/chat/preference_rows.h), P pairs of a better and a worse
// answer to one prompt.

// The loss of each pair by the gap between its answers: by how many nats more the policy has moved from the
// reference towards the better one.
struct PairLosses {
  at::Tensor losses;  // [P]
  at::Tensor slopes;  // [P] by the gap
};

// -log sigmoid(beta gap - margin), with label smoothing e as (1 - e) of that and e of the opposite label's
// (Rafailov et al. 2023, equation 7; Mitchell 2023); or (gap - 1 / (2 beta))^2 (Azar et al. 2024, equation
// 17). gaps, margins [P] fp64.
PairLosses pair_losses(const DpoSettings& settings, const at::Tensor& gaps, const at::Tensor& margins);

// What a model says of the answers of a microbatch.
struct AnswerSums {
  at::Tensor sums;     // [A] fp64: log-probability of each answer, its end of turn included
  at::Tensor index;    // [A] int64: of data::AnswerNumbers
  at::Tensor moved;    // [A] fp64: sums less the reference's
  trainer::Rows rows;  // of whole time, where context ranks share it
};
// Ranks that share the model call together, and each gets the whole.
AnswerSums answer_sums(const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows,
                       int64_t chunk);

// Which of the answers make pairs. Rows of whole time.
struct PreferencePairs {
  at::Tensor winner, loser;  // [P] int64, of A
  at::Tensor margins;        // [P] fp64
  at::Tensor shares;         // [P] fp64: one over the pairs of the prompt
};
PreferencePairs preference_pairs(const trainer::Rows& rows);

// Direct preference optimisation: the mean over a prompt's pairs of pair_losses, summed over prompts; the
// count is prompts. The reference's log-probabilities stand in the rows, so that its weights need not be
// here.
trainer::LossFunction preference_loss(const DpoSettings& settings, int64_t chunk);

}  // namespace sextant::rlhf
