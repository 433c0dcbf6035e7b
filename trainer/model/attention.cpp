#include "trainer/model/attention.h"

#include <ATen/ATen.h>

#include <cmath>

#include "trainer/kernels/attention.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/rotary.h"
#include "trainer/model/layers.h"

namespace sextant::trainer {
namespace {

// Stores new keys or values at their positions and returns the slots that may be read.
at::Tensor store(at::Tensor& slots, const at::Tensor& fresh, const at::Tensor& positions) {
  at::Tensor index = positions.unsqueeze(1).unsqueeze(3).expand_as(fresh);  // [B, KV, T, D]
  slots.scatter_(2, index, fresh);
  return slots;
}

}  // namespace

Attention::Attention(const ModelSettings& settings, const std::string& name, ParameterList& parameters)
    : heads_(settings.heads()),
      kv_heads_(settings.kv_heads()),
      head_width_(settings.width() / settings.heads()),
      epsilon_(settings.norm_epsilon()) {
  int64_t width = settings.width(), query_width = heads_ * head_width_, key_width = kv_heads_ * head_width_;
  bool gpt2 = settings.kind() == ModelSettings::gpt2;
  LayerBuilder build{settings, parameters};
  norm_weight_ = &build.norm(name + "_norm.weight", width);
  if (gpt2) norm_bias_ = &build.bias(name + "_norm.bias", width);
  query_ = &build.matrix(name + ".query.weight", query_width, width);
  if (gpt2) query_bias_ = &build.bias(name + ".query.bias", query_width);
  key_ = &build.matrix(name + ".key.weight", key_width, width);
  if (gpt2) key_bias_ = &build.bias(name + ".key.bias", key_width);
  value_ = &build.matrix(name + ".value.weight", key_width, width);
  if (gpt2) value_bias_ = &build.bias(name + ".value.bias", key_width);
  if (settings.qk_norm()) {
    query_norm_ = &build.norm(name + ".query_norm.weight", head_width_);
    key_norm_ = &build.norm(name + ".key_norm.weight", head_width_);
  }
  output_ = &build.residual_matrix(name + ".output.weight", width, query_width);
  if (gpt2) output_bias_ = &build.bias(name + ".output.bias", width);
}

at::Tensor Attention::forward(const at::Tensor& x, const AttentionInputs& inputs, Produced produced) const {
  int64_t batch = x.size(0), time = x.size(1);
  auto projected = norm_linear(
      x, norm_weight_->value, value_of(norm_bias_), epsilon_,
      {linear_of(*query_, query_bias_), linear_of(*key_, key_bias_), linear_of(*value_, value_bias_)},
      produced);
  at::Tensor query = projected[0].view({batch, time, heads_, head_width_});     // [B, T, H, D]
  at::Tensor key = projected[1].view({batch, time, kv_heads_, head_width_});    // [B, T, KV, D]
  at::Tensor value = projected[2].view({batch, time, kv_heads_, head_width_});  // [B, T, KV, D]
  if (query_norm_ != nullptr) {
    query = norm(query, query_norm_->value, at::Tensor(), epsilon_);
    key = norm(key, key_norm_->value, at::Tensor(), epsilon_);
  }
  if (inputs.rotary_rows.defined()) {
    query = rotary(query, inputs.rotary_rows);
    key = rotary(key, inputs.rotary_rows);
  }
  query = query.transpose(1, 2), key = key.transpose(1, 2),
  value = value.transpose(1, 2);  // [B, heads, T, D]
  if (inputs.cache != nullptr) {
    key = store(inputs.cache->keys, key, inputs.positions);
    value = store(inputs.cache->values, value, inputs.positions);
  }
  at::Tensor mixed = inputs.cache != nullptr ? masked_attention(query, key, value, inputs.mask)
                                             : causal_attention(query, key, value, inputs.first_keys);
  mixed = mixed.transpose(1, 2).reshape({batch, time, heads_ * head_width_});  // [B, T, H D]
  return linear(mixed, linear_of(*output_, output_bias_));
}

}  // namespace sextant::trainer
