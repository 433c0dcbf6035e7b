#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::trainer {

// How a router's logits become scores, each in (0, 1).
enum class RouterScore { kSoftmax, kSigmoid };

// logits [..., E] to scores [..., E]: softmax over the experts, or each expert's own sigmoid (DeepSeek-AI
// 2024, "DeepSeek-V3", eq. 15). Differentiable.
at::Tensor router_scores(const at::Tensor& logits, RouterScore score);

// What a router is trained by beside the model's loss. G groups of tokens (rows of a batch), E experts.
struct RouterPressure {
  RouterScore score = RouterScore::kSoftmax;
  at::Tensor force;     // [G, E]: what each unit of a token's share costs with an expert; undefined: nothing
  double z_loss = 0;    // what a token's squared log-sum-exp costs (Zoph et al. 2022, "ST-MoE", eq. 5)
  at::Tensor observed;  // [E] int64: the choices that each expert had among these tokens
  at::Tensor load;      // [E] int64: backward adds `observed`, once for each backward; undefined: nothing
};

// The logits [G, T, E] themselves, but backward adds the gradient of
//   sum over tokens of  sum_e force[g, e] share[t, e]  +  z_loss logsumexp_e(logits[t, e])^2
// as if it were part of the loss that backward starts from (and with factor 1, so backward must start from
// the sum of losses itself). A token's shares are its scores divided by their sum (softmax: the scores).
// `force` is a constant.
at::Tensor under_pressure(const at::Tensor& logits, const RouterPressure& pressure);

}  // namespace sextant::trainer
