#pragma once

#include <cstdint>
#include <vector>

#include "rlhf/experience.pb.h"
#include "trainer/passes.h"

// What models say of finished answers, by the forward pass of training and without gradient. Ranks that share
// a model (of a pipeline, of tensor and of context axes) call together with equal episodes, and each gets the
// whole.
namespace sextant::rlhf {

// How episodes go through a model.
struct ScoringSettings {
  int64_t micro_batch = 1;  // rows at a time
  int64_t chunk = 1024;     // tokens whose logits stand in memory
  double temperature = 1;   // logits are divided by it
};

// log p of each of the answer's tokens, [R] of each episode.
std::vector<std::vector<double>> answer_log_probabilities(trainer::Passes& passes,
                                                          const std::vector<const Episode*>& episodes,
                                                          const ScoringSettings& settings);

// A scalar model's numbers before each of the answer's tokens, [R] of each episode.
std::vector<std::vector<double>> answer_values(trainer::Passes& passes,
                                               const std::vector<const Episode*>& episodes,
                                               const ScoringSettings& settings);

// A scalar model's number at the last token of each episode.
std::vector<double> end_scores(trainer::Passes& passes, const std::vector<const Episode*>& episodes,
                               const ScoringSettings& settings);

}  // namespace sextant::rlhf
