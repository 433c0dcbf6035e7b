#pragma once

#include <ATen/core/Tensor.h>

#include "rlhf/divergence.pb.h"

namespace sextant::rlhf {

// N tokens.

// PPO's clipped objective (Schulman et al. 2017, equation 7), as a loss.
struct ClippedPolicy {
  at::Tensor losses;   // [N] max(-A ratio, -A clip(ratio, 1 - range, 1 + range))
  at::Tensor slopes;   // [N] the losses' derivatives by the log-probabilities: -A ratio, or 0 where clipped
  at::Tensor ratios;   // [N] exp(now - before)
  at::Tensor clipped;  // [N] bool: the clipped side is the larger one
};

// Log-probabilities now and when the tokens were drawn, and their advantages A, [N] each; without gradient:
// the slopes are it, and give a weighted cross-entropy the gradient of this loss.
ClippedPolicy clipped_policy(const at::Tensor& now, const at::Tensor& before, const at::Tensor& advantages,
                             double range);

// What the divergence from the reference adds to a token's loss, before its coefficient (DeepSeekMath, Shao
// et al. 2024, equation 4, has k3), and the derivative by the log-probability; without gradient. log_ratios
// [N], now less the reference's.
struct DivergenceLoss {
  at::Tensor losses;  // [N]
  at::Tensor slopes;  // [N]: 1, log ratio, 1 - 1 / ratio for k1, k2, k3
};
DivergenceLoss divergence_loss(KlSettings::Estimator estimator, const at::Tensor& log_ratios);

// The value model's loss: half of the larger squared error, of the value and of the value kept within `range`
// of the one before (lm-human-preferences), [N], differentiable by `values`. range 0: not clipped.
at::Tensor clipped_value_losses(const at::Tensor& values, const at::Tensor& before, const at::Tensor& returns,
                                double range);

}  // namespace sextant::rlhf
