#include "trainer/model/attention.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "trainer/kernels/attention.h"
#include "trainer/kernels/fixed_blocks.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/ring_attention.h"
#include "trainer/kernels/rotary.h"
#include "trainer/kernels/ulysses_attention.h"
#include "trainer/model/layers.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/mup.h"

namespace sextant::trainer {
namespace {

// All arguments and the result [B, T, heads, D].
at::Tensor mix(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
               const AttentionInputs& inputs) {
  if (inputs.branches != nullptr)
    return attend_branches(query, key, value, *inputs.cache, *inputs.branches, inputs.mask, inputs.window);
  if (inputs.cache != nullptr) store_in_cache(*inputs.cache, key, value, inputs.positions);
  // Rows that fill an empty cache see nothing but themselves, as in training.
  if (inputs.cache != nullptr && inputs.fill == CacheFill::kSome)
    return attend_cached(query, *inputs.cache, inputs.positions, inputs.mask, inputs.window);
  bool shared = inputs.context != nullptr && inputs.cache == nullptr;
  if (shared && inputs.context_kind == parallel::MeshSettings::ulysses)
    return ulysses_attention(query, key, value, inputs.first_keys, *inputs.context);
  at::Tensor q = query.transpose(1, 2), k = key.transpose(1, 2), v = value.transpose(1, 2);
  at::Tensor mixed = shared ? ring_attention(q, k, v, inputs.first_keys, *inputs.context)
                            : causal_attention(q, k, v, inputs.first_keys);  // [B, H, T, D]
  return mixed.transpose(1, 2);
}

// The same with the heads of one block after the other: what a kernel makes of a head may depend on how many
// there are.
at::Tensor mix_in_blocks(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionInputs& inputs) {
  int64_t blocks = inputs.share.blocks;
  if (blocks < 2 || inputs.cache != nullptr) return mix(query, key, value, inputs);
  auto queries = query.chunk(blocks, 2), keys = key.chunk(blocks, 2), values = value.chunk(blocks, 2);
  std::vector<at::Tensor> mixed;
  mixed.reserve(queries.size());
  for (size_t i = 0; i < queries.size(); ++i)
    mixed.push_back(mix(queries[i].contiguous(), keys[i].contiguous(), values[i].contiguous(), inputs));
  return at::cat(mixed, 2);
}

}  // namespace

Attention::Attention(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
                     parallel::Group* tensor)
    : head_width_(head_width(settings)),
      epsilon_(settings.norm_epsilon()),
      query_multiplier_(query_multiplier(settings)) {
  int64_t width = settings.width(), ranks = tensor == nullptr ? 1 : tensor->size();
  int64_t query_width = settings.heads() * head_width_, key_width = settings.kv_heads() * head_width_;
  int64_t key_parts = std::min<int64_t>(ranks, settings.kv_heads());
  heads_ = settings.heads() / ranks;
  kv_heads_ = settings.kv_heads() / key_parts;
  auto queries = cut_over(tensor, 0), keys = cut_over(tensor, 0, key_parts);
  bool gpt2 = settings.kind() == ModelSettings::gpt2;
  bool biased = gpt2 || settings.query_key_value_bias();
  LayerBuilder build{settings, parameters};
  norm_weight_ = &build.norm(name + "_norm.weight", width);
  if (gpt2) norm_bias_ = &build.bias(name + "_norm.bias", width);
  query_ = &build.matrix(name + ".query.weight", query_width, width, queries);
  if (biased) query_bias_ = &build.bias(name + ".query.bias", query_width, queries);
  key_ = &build.matrix(name + ".key.weight", key_width, width, keys);
  if (biased) key_bias_ = &build.bias(name + ".key.bias", key_width, keys);
  value_ = &build.matrix(name + ".value.weight", key_width, width, keys);
  if (biased) value_bias_ = &build.bias(name + ".value.bias", key_width, keys);
  if (settings.qk_norm()) {
    query_norm_ = &build.norm(name + ".query_norm.weight", head_width_);
    key_norm_ = &build.norm(name + ".key_norm.weight", head_width_);
  }
  output_ = &build.residual_matrix(name + ".output.weight", width, query_width, cut_over(tensor, 1));
  if (gpt2 || settings.attention_output_bias()) output_bias_ = &build.bias(name + ".output.bias", width);
}

// Over each head's channels.
at::Tensor Attention::head_norm(const at::Tensor& x, const Parameter& weight, TensorShare share) const {
  if (share.blocks > 0)
    return norm_in_blocks(x, weight.value, at::Tensor(), epsilon_, 2, share.blocks,
                          norm_sinks(weight, nullptr));
  return norm(x, weight.value, at::Tensor(), epsilon_);
}

at::Tensor Attention::forward(const at::Tensor& x, const AttentionInputs& inputs, Produced produced) const {
  auto projected = norm_linear(
      x, norm_weight_->value, value_of(norm_bias_), epsilon_,
      {linear_of(*query_, query_bias_), linear_of(*key_, key_bias_), linear_of(*value_, value_bias_)},
      produced, inputs.share, norm_sinks(*norm_weight_, norm_bias_));
  int64_t batch = projected[0].size(0), time = projected[0].size(1);
  at::Tensor query = projected[0].view({batch, time, heads_, head_width_});     // [B, T, H, D]
  at::Tensor key = projected[1].view({batch, time, kv_heads_, head_width_});    // [B, T, KV, D]
  at::Tensor value = projected[2].view({batch, time, kv_heads_, head_width_});  // [B, T, KV, D]
  if (query_norm_ != nullptr) {
    query = head_norm(query, *query_norm_, inputs.share);
    key = head_norm(key, *key_norm_, inputs.share);
  }
  if (inputs.rotary_rows.defined()) {
    query = rotary(query, inputs.rotary_rows);
    key = rotary(key, inputs.rotary_rows);
  }
  if (query_multiplier_ != 1.0) query = query * query_multiplier_;
  at::Tensor mixed =
      mix_in_blocks(query, key, value, inputs).reshape({batch, time, heads_ * head_width_});  // [B, T, H D]
  return linear(mixed, linear_of(*output_, output_bias_), inputs.share);
}

}  // namespace sextant::trainer
