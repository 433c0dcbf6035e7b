#include "trainer/model/feed_forward.h"

#include "trainer/model/layers.h"

namespace sextant::trainer {

FeedForward::FeedForward(const ModelSettings& settings, const std::string& name, ParameterList& parameters)
    : epsilon_(settings.norm_epsilon()) {
  int64_t width = settings.width(), hidden = settings.ffn_width();
  bool gpt2 = settings.kind() == ModelSettings::gpt2;
  bool biased = gpt2 || settings.feed_forward_bias();
  LayerBuilder build{settings, parameters};
  norm_weight_ = &build.norm(name + "_norm.weight", width);
  if (gpt2) norm_bias_ = &build.bias(name + "_norm.bias", width);
  if (!gpt2) gate_ = &build.matrix(name + ".gate.weight", hidden, width);
  if (!gpt2 && biased) gate_bias_ = &build.bias(name + ".gate.bias", hidden);
  up_ = &build.matrix(name + ".up.weight", hidden, width);
  if (biased) up_bias_ = &build.bias(name + ".up.bias", hidden);
  down_ = &build.residual_matrix(name + ".down.weight", width, hidden);
  if (biased) down_bias_ = &build.bias(name + ".down.bias", width);
}

at::Tensor FeedForward::forward(const at::Tensor& x, Produced produced) const {
  std::vector<Linear> layers;
  if (gate_ != nullptr) layers.push_back(linear_of(*gate_, gate_bias_));
  layers.push_back(linear_of(*up_, up_bias_));
  auto projected = norm_linear(x, norm_weight_->value, value_of(norm_bias_), epsilon_, layers, produced);
  at::Tensor gate = gate_ != nullptr ? projected[0] : at::Tensor();  // [B, T, F]
  return activation_linear(gate, projected.back(), linear_of(*down_, down_bias_), produced);
}

}  // namespace sextant::trainer
