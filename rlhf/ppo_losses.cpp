#include "rlhf/ppo_losses.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "rlhf/episode_rows.h"
#include "rlhf/policy_loss.h"
#include "rlhf/shared_rows.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::rlhf {
namespace {

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// What each token's loss weighs beside the others', [B, T/n], and what they are divided by in the end.
struct TokenWeights {
  at::Tensor weights;
  at::Tensor count;
};

TokenWeights token_weights(const PpoSettings& settings, const trainer::Transformer& model,
                           const at::Tensor& answers) {
  if (settings.mean() == PpoSettings::tokens) return {answers, answers.sum()};
  at::Tensor lengths = whole_time(model, answers).sum(1, true);  // [B, 1]
  at::Tensor count = (lengths > 0).sum().to(at::kDouble) / static_cast<double>(context_ranks(model));
  if (settings.mean() == PpoSettings::answers) return {answers / lengths.clamp_min(1), count};
  return {answers / static_cast<double>(settings.response_tokens()), count};
}

// The clipped loss, and the divergence's where the settings place it there.
ClippedPolicy token_losses(const PpoSettings& settings, double kl_coefficient, const at::Tensor& now,
                           const trainer::Rows& rows) {
  auto column = [&](Column which) { return rows.columns[which].flatten().to(at::kDouble); };  // [N]
  ClippedPolicy policy = clipped_policy(now, column(kBefore), column(kAdvantage), settings.clip());
  if (settings.kl().place() != KlSettings::loss) return policy;
  DivergenceLoss divergence = divergence_loss(settings.kl().estimator(), now - column(kReference));
  policy.losses += kl_coefficient * divergence.losses;
  policy.slopes += kl_coefficient * divergence.slopes;
  return policy;
}

}  // namespace

trainer::LossFunction policy_loss(const PpoSettings& settings, double kl_coefficient, int64_t chunk,
                                  UpdateSums& sums) {
  return [&settings, kl_coefficient, chunk, &sums](const trainer::Transformer& model,
                                                   const at::Tensor& hidden, const trainer::Rows& rows) {
    at::Tensor flat = whole_hidden(model, hidden).flatten(0, 1);  // [N, C]
    if (settings.temperature() != 1) flat = flat / settings.temperature();
    auto column = [&](Column which) { return rows.columns[which].flatten().to(at::kDouble); };  // [N]
    at::Tensor targets = rows.targets.flatten(), answers = column(kAnswer), mix = column(kPretraining);
    parallel::Group* tensor = model.part().tensor;
    at::Tensor now =
        trainer::target_log_probabilities(flat.detach(), model.output_weight(), targets, chunk, tensor)
            .to(at::kDouble);
    ClippedPolicy policy = token_losses(settings, kl_coefficient, now, rows);
    TokenWeights own = token_weights(settings, model, rows.columns[kAnswer].to(at::kDouble));
    at::Tensor weighs = own.weights.flatten();  // [N]
    // At places that are no answer's the divergence has no reference to be from.
    at::Tensor total = (at::where(weighs > 0, policy.losses * weighs, 0.0) - now * mix).sum();
    sums.tokens += answers.sum().item<double>();
    sums.clipped += (policy.clipped.to(at::kDouble) * answers).sum().item<double>();
    sums.furthest = std::max(sums.furthest, ((policy.ratios - 1).abs() * answers).max().item<double>());
    // Cross-entropy weighed by -slope has the gradient of the clipped loss; a constant puts its value right.
    at::Tensor weights = (mix - at::where(weighs > 0, policy.slopes * weighs, 0.0)).to(wide_type(flat));
    at::Tensor sum = trainer::linear_cross_entropy(flat, model.output_weight(), targets, weights, chunk,
                                                   model.output().sink, tensor);
    sum = sum + (total.to(sum.scalar_type()) - sum.detach());
    return trainer::LossSum{sum, own.count};
  };
}

trainer::LossFunction value_loss(const PpoSettings& settings) {
  return [&settings](const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
    at::Tensor values = model.values(hidden);  // [B, T]
    auto column = [&](Column which) { return rows.columns[which].to(values.scalar_type()); };
    at::Tensor answers = column(kAnswer);
    at::Tensor losses = clipped_value_losses(values, column(kValue), column(kReturn), settings.value_clip());
    return trainer::LossSum{(losses * answers).sum(), answers.sum(at::kDouble)};
  };
}

}  // namespace sextant::rlhf
