#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rlhf/experience.pb.h"
#include "trainer/metrics/step_metrics.h"

namespace sextant::rlhf {

// What a step's answers say as numbers for metrics.jsonl: reward, kl (nats an episode, k1), entropy (nats a
// token: the mean of -log p of the tokens drawn), response_length, ended, length_correlation and
// reward_SOURCE, the mean over the episodes that the source applied to.
trainer::Scalars episode_scalars(const std::vector<Episode>& episodes);

// Nats between policy and reference over the answer (k1).
double divergence_of(const Episode& episode);

// One line of samples.jsonl, with its newline.
std::string episode_line(int64_t step, const Episode& episode);

}  // namespace sextant::rlhf
