#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/base/seed.h"

namespace sextant::trainer {

// How the next token is chosen.
struct SamplingSettings {
  double temperature = 1.0;  // 0: the most likely token
  int64_t top_k = 0;         // only the k most likely; 0: all
  double top_p = 1.0;  // only the most likely ones whose probabilities first reach p (Holtzman et al. 2020)
};

// A token that may be drawn, and how likely that is.
struct Candidate {
  int64_t id;
  double probability;
};

// The tokens that survive the settings, most likely first (equal ones by id), probabilities summing to 1.
// log_probabilities: natural logs (or logits) of one position, any scale.
std::vector<Candidate> candidates(const std::vector<double>& log_probabilities,
                                  const SamplingSettings& settings);

// The token that `uniform`, from [0, 1), draws at one position: as draw(candidates(…)), but without sorting
// the vocabulary; where nothing is cut off, shares are laid out by id. logits: fp32 or fp64, `count` of them.
template <class Number>
int64_t choose(const Number* logits, int64_t count, const SamplingSettings& settings, double uniform);

// Draws with a number from [0, 1).
int64_t draw(const std::vector<Candidate>& candidates, double uniform);

}  // namespace sextant::trainer
