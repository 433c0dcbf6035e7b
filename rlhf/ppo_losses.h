#pragma once

#include <cstdint>

#include "rlhf/ppo.pb.h"
#include "trainer/loss.h"

namespace sextant::rlhf {

// Sums over the microbatches of an update on this rank.
struct UpdateSums {
  double tokens = 0;    // of answers
  double clipped = 0;   // of these, on the clipped side
  double furthest = 0;  // largest |ratio - 1|
};

// The policy's loss over answers, with ppo.kl.place loss its divergence from the reference times
// `kl_coefficient`, and the cross-entropy over pretraining's tokens by their weights. What counts is what
// ppo.mean is over: the answers' tokens, or the answers. Rows have the columns of rlhf/episode_rows.h. What
// is borrowed must outlive the function.
trainer::LossFunction policy_loss(const PpoSettings& settings, double kl_coefficient, int64_t chunk,
                                  UpdateSums& sums);

// The value model's loss over answers.
trainer::LossFunction value_loss(const PpoSettings& settings);

}  // namespace sextant::rlhf
