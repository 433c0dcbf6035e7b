#pragma once

#include <vector>

#include "rlhf/experience.pb.h"
#include "rlhf/ppo.pb.h"

namespace sextant::rlhf {

// Gives the scored episodes of a step their advantages as ppo.advantages says: generalised ones token by
// token beside the value model's returns, whitened over the step; the others one number for a whole answer,
// from the scores of its group. Episodes stand in order of number, a prompt's ppo.answers_per_prompt
// together. With ppo.kl.place reward each token's reward is less `kl_coefficient` times its divergence first.
void add_advantages(const PpoSettings& settings, double kl_coefficient, std::vector<Episode>& episodes);

// Share of the prompts whose answers all score alike: from these a group teaches nothing.
double equal_groups(const PpoSettings& settings, const std::vector<Episode>& episodes);

}  // namespace sextant::rlhf
