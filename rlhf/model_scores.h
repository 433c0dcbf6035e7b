#pragma once

#include <cstdint>
#include <vector>

#include "rlhf/experience.pb.h"
#include "trainer/model/transformer.h"
#include "trainer/rows.h"

// What models say of finished answers, by the forward pass of training and without gradient. Ranks that share
// a model call together with equal episodes, and each gets the whole.
namespace sextant::rlhf {

// How episodes go through a model.
struct ScoringSettings {
  int64_t micro_batch = 1;  // rows at a time
  int64_t chunk = 1024;     // tokens whose logits stand in memory
  double temperature = 1;   // logits are divided by it
};

// The last stage's channels of all of a row, [B, T, C], whose gradients add up over the ranks that share the
// model.
at::Tensor whole_hidden(const trainer::Transformer& model, const at::Tensor& hidden);

// log p of each of the answer's tokens, [R] of each episode.
std::vector<std::vector<double>> answer_log_probabilities(const trainer::Transformer& model,
                                                          const std::vector<const Episode*>& episodes,
                                                          const ScoringSettings& settings);

// A scalar model's numbers before each of the answer's tokens, [R] of each episode.
std::vector<std::vector<double>> answer_values(const trainer::Transformer& model,
                                               const std::vector<const Episode*>& episodes,
                                               const ScoringSettings& settings);

// A scalar model's number at the last token of each episode.
std::vector<double> end_scores(const trainer::Transformer& model, const std::vector<const Episode*>& episodes,
                               const ScoringSettings& settings);

// The time of rows that hold all of the episodes, as short as the ranks that share a model allow.
int64_t row_time(const std::vector<const Episode*>& episodes, const trainer::Transformer& model);

}  // namespace sextant::rlhf
