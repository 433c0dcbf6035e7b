#pragma once

#include <optional>

#include "rlhf/experience.pb.h"
#include "rlhf/rewards.pb.h"

namespace sextant::rlhf {

// Adds all sources up: episode.score is the rubric's sum, cut to plus or minus `rubric_cap` (0: not cut),
// plus the reward model's score cut to plus or minus rewards.model_cap and times rewards.model_weight where
// its class has one, less rewards.missing_end_penalty where the answer was cut off. `model_score` has no
// value without a reward model. The scores that the rubric gave stay; "model" and "missing_end" join them.
// Throws Error(kEnvironment) naming the source of a score that is not finite.
void compose_rewards(const RewardSources& reward, double rubric_cap, std::optional<double> model_score,
                     Episode& episode);

}  // namespace sextant::rlhf
