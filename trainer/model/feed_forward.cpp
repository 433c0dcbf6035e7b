#include "trainer/model/feed_forward.h"

#include "trainer/kernels/fixed_blocks.h"
#include "trainer/model/layers.h"

namespace sextant::trainer {

FeedForward::FeedForward(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
                         parallel::Group* tensor)
    : epsilon_(settings.norm_epsilon()) {
  int64_t width = settings.width(), hidden = settings.ffn_width();
  bool gpt2 = settings.kind() == ModelSettings::gpt2;
  bool biased = gpt2 || settings.feed_forward_bias();
  auto channels = cut_over(tensor, 0);
  LayerBuilder build{settings, parameters};
  norm_weight_ = &build.norm(name + "_norm.weight", width);
  if (gpt2) norm_bias_ = &build.bias(name + "_norm.bias", width);
  if (!gpt2) gate_ = &build.matrix(name + ".gate.weight", hidden, width, channels);
  if (!gpt2 && biased) gate_bias_ = &build.bias(name + ".gate.bias", hidden, channels);
  up_ = &build.matrix(name + ".up.weight", hidden, width, channels);
  if (biased) up_bias_ = &build.bias(name + ".up.bias", hidden, channels);
  down_ = &build.residual_matrix(name + ".down.weight", width, hidden, cut_over(tensor, 1));
  if (biased) down_bias_ = &build.bias(name + ".down.bias", width);
}

at::Tensor FeedForward::forward(const at::Tensor& x, Produced produced, TensorShare share) const {
  std::vector<Linear> layers;
  if (gate_ != nullptr) layers.push_back(linear_of(*gate_, gate_bias_));
  layers.push_back(linear_of(*up_, up_bias_));
  // Tokens do not meet here, so their order is free: as one row, shards come together and part without a
  // copy.
  at::Tensor rows = share.blocks > 0    ? as_row_of_blocks(x, share.blocks)
                    : share.in_shards() ? x.reshape({1, -1, x.size(-1)})
                                        : x;
  auto projected = norm_linear(rows, norm_weight_->value, value_of(norm_bias_), epsilon_, layers, produced,
                               share, norm_sinks(*norm_weight_, norm_bias_));
  at::Tensor gate = gate_ != nullptr ? projected[0] : at::Tensor();  // [B, T, F]
  at::Tensor y = activation_linear(gate, projected.back(), linear_of(*down_, down_bias_), produced, share);
  return share.blocks > 0 ? from_row_of_blocks(y, x.sizes(), share.blocks) : y.view(x.sizes());
}

}  // namespace sextant::trainer
