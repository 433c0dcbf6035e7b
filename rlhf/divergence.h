#pragma once

#include <cstdint>

#include "rlhf/divergence.pb.h"

namespace sextant::rlhf {

// An estimate of KL(policy | reference) from one token drawn from the policy, in nats; its mean over such
// tokens is what counts. log_ratio = log policy - log reference of that token. k1, k2, k3 as in Schulman
// 2020, "Approximating KL divergence": log_ratio; log_ratio^2 / 2; exp(-log_ratio) - 1 + log_ratio.
double divergence(KlSettings::Estimator estimator, double log_ratio);

// The coefficient of the KL penalty from step to step: fixed, or steered towards a target (Ziegler et al.
// 2019, section 2.2): multiplied by 1 + clip(kl / target - 1, -0.2, 0.2) episodes / horizon.
class KlController {
 public:
  explicit KlController(const KlSettings& settings);

  double coefficient() const { return coefficient_; }
  void restore(double coefficient) { coefficient_ = coefficient; }
  // After a step of so many episodes, whose KL was `kl` nats an episode on average.
  void update(double kl, int64_t episodes);

 private:
  KlSettings settings_;
  double coefficient_;
};

}  // namespace sextant::rlhf
