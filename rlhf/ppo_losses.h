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

// The policy's loss over answers, and the cross-entropy over pretraining's tokens by their weights; counted
// are the answers' tokens. Rows have the columns of rlhf/episode_rows.h. What is borrowed must outlive the
// function.
trainer::LossFunction policy_loss(const PpoSettings& settings, int64_t chunk, UpdateSums& sums);

// The value model's loss over answers.
trainer::LossFunction value_loss(const PpoSettings& settings);

}  // namespace sextant::rlhf
