#include "trainer/model/transformer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "trainer/kernels/attention.h"
#include "trainer/kernels/cached_attention.h"
#include "trainer/kernels/embedding.h"
#include "trainer/kernels/few_rows_linear.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/recompute.h"
#include "trainer/kernels/rotary.h"
#include "trainer/model/layers.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/rotary_frequencies.h"

namespace sextant::trainer {

Transformer::Transformer(const ModelSettings& settings, NumericsSettings::Recompute recompute,
                         Precision precision, at::Device device)
    : settings_(settings), recompute_(recompute), parameters_(precision, device) {
  bool gpt2 = settings_.kind() == ModelSettings::gpt2;
  LayerBuilder build{settings_, parameters_};
  embedding_ = &build.matrix("embedding.weight", settings_.vocabulary(), settings_.width());
  if (gpt2)
    position_embedding_ = &build.matrix("position_embedding.weight", settings_.context(), settings_.width());
  for (int layer = 0; layer < settings_.layers(); ++layer) {
    std::string name = fmt::format("blocks.{}", layer);
    blocks_.push_back({Attention(settings_, name + ".attention", parameters_),
                       FeedForward(settings_, name + ".feed_forward", parameters_)});
  }
  final_norm_ = &build.norm("final_norm.weight", settings_.width());
  if (gpt2) final_norm_bias_ = &build.bias("final_norm.bias", settings_.width());
  if (!settings_.tied_embeddings()) {
    output_ = &build.matrix("output.weight", settings_.vocabulary(), settings_.width());
  }
  // On the meta device a model is its shapes alone.
  if (!gpt2 && !device.is_meta()) {
    auto type = precision.compute == at::kDouble ? at::kDouble : at::kFloat;
    rotary_table_ = rotary_table(settings_.context(), rotary_frequencies(settings_), type, device);
  }
}

at::Tensor Transformer::run_block(const Block& block, const at::Tensor& x,
                                  const AttentionInputs& inputs) const {
  Produced produced = recompute_ == NumericsSettings::selective ? Produced::kRecompute : Produced::kKeep;
  auto segment = [&block, inputs, produced](const at::Tensor& in) {
    at::Tensor between = in + block.attention.forward(in, inputs, produced);
    return between + block.feed_forward.forward(between, produced);
  };
  return recompute_ == NumericsSettings::full ? recompute(segment, x) : segment(x);
}

at::Tensor Transformer::forward(const at::Tensor& tokens, const at::Tensor& positions,
                                const at::Tensor& documents, Cache* cache) const {
  AttentionInputs inputs;
  inputs.positions = positions;
  inputs.window = settings_.sliding_window();
  if (cache != nullptr) inputs.fill = cache->fill;
  if (cache == nullptr || cache->fill == CacheFill::kEmpty) {
    bool narrow = inputs.window > 0 && inputs.window < tokens.size(1);
    if (documents.defined() || narrow)
      inputs.first_keys = first_keys(documents.defined() ? documents : at::zeros_like(tokens), inputs.window);
  } else if (!fits_cached_attention(embedding_->value)) {
    inputs.mask = cache_mask(positions, cache->slots, inputs.window);
  }
  at::Tensor x = embedding(embedding_->value, tokens, embedding_->sink);  // [B, T, C]
  if (position_embedding_ != nullptr)
    x = x + embedding(position_embedding_->value, positions, position_embedding_->sink);
  if (rotary_table_.defined()) {
    at::Tensor rows = rotary_table_.index_select(1, positions.reshape({-1}));
    inputs.rotary_rows = rows.view({2, tokens.size(0), tokens.size(1), -1});  // [2, B, T, D/2]
  }
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    inputs.cache = cache != nullptr ? &cache->layers[layer] : nullptr;
    x = run_block(blocks_[layer], x, inputs);
  }
  if (cache != nullptr) cache->fill = CacheFill::kSome;
  return norm(x, final_norm_->value, value_of(final_norm_bias_), settings_.norm_epsilon());
}

const Parameter& Transformer::output() const {
  return output_ != nullptr ? *output_ : *embedding_;
}

at::Tensor Transformer::logits(const at::Tensor& hidden) const {
  Linear layer{output().value, at::Tensor()};
  if (is_few_rows(hidden, layer)) return few_rows_linear(hidden, {layer}, at::kFloat)[0];
  at::Tensor logits = at::matmul(hidden, layer.weight.t());
  return at::isReducedFloatingType(logits.scalar_type()) ? logits.to(at::kFloat) : logits;
}

Cache Transformer::make_cache(int64_t rows, int64_t slots) const {
  Cache cache;
  cache.slots = slots;
  auto options = at::TensorOptions().dtype(parameters_.precision().compute).device(parameters_.device());
  std::vector<int64_t> shape{rows, settings_.kv_heads(), slots, head_width(settings_)};
  for (int layer = 0; layer < settings_.layers(); ++layer) {
    cache.layers.push_back({at::zeros(shape, options), at::zeros(shape, options)});
  }
  return cache;
}

Precision precision_of(NumericsSettings::Compute compute) {
  switch (compute) {
    case NumericsSettings::fp32:
      return {at::kFloat, at::kFloat};
    case NumericsSettings::bf16:
      return {at::kFloat, at::kBFloat16};
    case NumericsSettings::fp64:
      return {at::kDouble, at::kDouble};
  }
  return {};
}

}  // namespace sextant::trainer
