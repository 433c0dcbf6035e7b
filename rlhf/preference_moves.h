#pragma once

#include "rlhf/dpo.pb.h"
#include "rlhf/reward_report.h"

namespace sextant::rlhf {

// What a policy that is trained on preferences makes of held-out ones. The reward that it implies for an
// answer is beta times what it moved from the reference in nats (Rafailov et al. 2023, section 4).
struct PreferenceMoves {
  PreferenceReport report;     // of the implied rewards' gaps
  double chosen_reward = 0;    // mean over pairs, of the better answer
  double rejected_reward = 0;  // of the worse one
};

// On held-out microbatches, as held_out_loss deals them out. All ranks of the world must call.
PreferenceMoves measure_moves(const DpoSettings& settings, int64_t chunk, trainer::Passes& passes,
                              const trainer::HeldOut& held_out, parallel::Group& data,
                              parallel::Group& world);

// As metrics: accuracy, calibration_error, brier, pairs, chosen_reward, rejected_reward, reward_margin.
trainer::Scalars scalars_of(const PreferenceMoves& moves);

}  // namespace sextant::rlhf
