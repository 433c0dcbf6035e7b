#include "rlhf/policy_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace sextant::rlhf {

ClippedPolicy clipped_policy(const at::Tensor& now, const at::Tensor& before, const at::Tensor& advantages,
                             double range) {
  at::NoGradGuard no_gradient;
  ClippedPolicy policy;
  policy.ratios = (now - before).exp();
  at::Tensor plain = -advantages * policy.ratios;
  at::Tensor cut = -advantages * policy.ratios.clamp(1 - range, 1 + range);
  policy.losses = at::maximum(plain, cut);
  policy.clipped = cut > plain;
  policy.slopes = plain.masked_fill(policy.clipped, 0);
  return policy;
}

DivergenceLoss divergence_loss(KlSettings::Estimator estimator, const at::Tensor& log_ratios) {
  at::NoGradGuard no_gradient;
  switch (estimator) {
    case KlSettings::k1:
      break;
    case KlSettings::k2:
      return {0.5 * log_ratios.square(), log_ratios};
    case KlSettings::k3:
      return {(-log_ratios).expm1() + log_ratios, -(-log_ratios).expm1()};
  }
  return {log_ratios, at::ones_like(log_ratios)};
}

at::Tensor clipped_value_losses(const at::Tensor& values, const at::Tensor& before, const at::Tensor& returns,
                                double range) {
  at::Tensor plain = (values - returns).square();
  if (range == 0) return 0.5 * plain;
  at::Tensor near = before + (values - before).clamp(-range, range);
  return 0.5 * at::maximum(plain, (near - returns).square());
}

}  // namespace sextant::rlhf
