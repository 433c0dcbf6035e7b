#pragma once

#include <vector>

#include "rlhf/rubric_fit.pb.h"

namespace sextant::rlhf {

// An answer as F features, beside what a reward model says of it.
struct RankedFeatures {
  std::vector<double> features;  // [F]
  double base = 0;
  double rank = 0;  // smaller is better
};

// The answers to each prompt.
using ComparedFeatures = std::vector<std::vector<RankedFeatures>>;

// How weights do: an answer's total is base + weights . features.
struct HingeReport {
  double loss = 0;      // mean over pairs of max(0, margin + worse - better)
  double accuracy = 0;  // share of pairs with the better answer ahead; equal totals count half
  double pairs = 0;
};
HingeReport hinge_report(const ComparedFeatures& prompts, const std::vector<double>& weights, double margin);

// The weights after fit.steps of AdamW (betas 0.9 and 0.999, epsilon 1e-8) over all pairs of a better and a
// worse answer to one prompt, from zeros: rule-based rewards on top of a reward model (Mu et al. 2024,
// section 4.3). `prompts` have a pair.
std::vector<double> fit_hinge(const ComparedFeatures& prompts, const RubricFitSettings& settings);

}  // namespace sextant::rlhf
