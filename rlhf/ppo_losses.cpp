#include "rlhf/ppo_losses.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "rlhf/episode_rows.h"
#include "rlhf/model_scores.h"
#include "rlhf/policy_loss.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::rlhf {
namespace {

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace

trainer::LossFunction policy_loss(const PpoSettings& settings, int64_t chunk, UpdateSums& sums) {
  return [&settings, chunk, &sums](const trainer::Transformer& model, const at::Tensor& hidden,
                                   const trainer::Rows& rows) {
    at::Tensor flat = whole_hidden(model, hidden).flatten(0, 1);  // [N, C]
    if (settings.temperature() != 1) flat = flat / settings.temperature();
    auto column = [&](Column which) { return rows.columns[which].flatten().to(at::kDouble); };  // [N]
    at::Tensor targets = rows.targets.flatten(), answers = column(kAnswer), mix = column(kPretraining);
    parallel::Group* tensor = model.part().tensor;
    at::Tensor now =
        trainer::target_log_probabilities(flat.detach(), model.output_weight(), targets, chunk, tensor)
            .to(at::kDouble);
    ClippedPolicy policy = clipped_policy(now, column(kBefore), column(kAdvantage), settings.clip());
    at::Tensor total = (policy.losses * answers - now * mix).sum();
    sums.tokens += answers.sum().item<double>();
    sums.clipped += (policy.clipped.to(at::kDouble) * answers).sum().item<double>();
    sums.furthest = std::max(sums.furthest, ((policy.ratios - 1).abs() * answers).max().item<double>());
    // Cross-entropy weighed by -slope has the gradient of the clipped loss; a constant puts its value right.
    at::Tensor weights = (mix - policy.slopes * answers).to(wide_type(flat));
    at::Tensor sum = trainer::linear_cross_entropy(flat, model.output_weight(), targets, weights, chunk,
                                                   model.output().sink, tensor);
    sum = sum + (total.to(sum.scalar_type()) - sum.detach());
    return trainer::LossSum{sum, answers.sum()};
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
