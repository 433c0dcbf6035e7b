#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "data/batch.h"
#include "tests/harness/golden.h"
#include "trainer/model/transformer.h"
#include "trainer/rows.h"

// A model and a batch as a golden file describes them.
namespace sextant::golden {

inline trainer::ModelSettings model_settings(const Json& described) {
  trainer::ModelSettings settings;
  bool gpt2 = described.at("kind") == "gpt2";
  settings.set_kind(gpt2 ? trainer::ModelSettings::gpt2 : trainer::ModelSettings::llama);
  settings.set_vocabulary(described.at("vocabulary"));
  settings.set_width(described.at("width"));
  settings.set_layers(described.at("layers"));
  settings.set_heads(described.at("heads"));
  settings.set_kv_heads(described.value("kv_heads", settings.heads()));
  settings.set_ffn_width(described.at("ffn_width"));
  settings.set_context(described.at("context"));
  settings.set_norm_epsilon(described.at("norm_epsilon"));
  settings.set_rotary_base(described.value("rotary_base", 10000.0));
  settings.set_tied_embeddings(described.at("tied_embeddings"));
  settings.set_qk_norm(described.value("qk_norm", false));
  if (described.contains("head_width")) settings.set_head_width(described.at("head_width"));
  settings.set_query_key_value_bias(described.value("query_key_value_bias", false));
  settings.set_attention_output_bias(described.value("attention_output_bias", false));
  settings.set_feed_forward_bias(described.value("feed_forward_bias", false));
  settings.set_sliding_window(described.value("sliding_window", 0));
  if (described.contains("rotary_scaling")) {
    const Json& scaling = described.at("rotary_scaling");
    auto& ours = *settings.mutable_rotary_scaling();
    bool llama3 = scaling.at("kind") == "llama3";
    ours.set_kind(llama3 ? trainer::RotaryScaling::llama3 : trainer::RotaryScaling::linear);
    ours.set_factor(scaling.at("factor"));
    if (llama3) {
      ours.set_low_frequency(scaling.at("low_frequency"));
      ours.set_high_frequency(scaling.at("high_frequency"));
      ours.set_original_context(scaling.at("original_context"));
    }
  }
  if (described.contains("experts")) {
    const Json& experts = described.at("experts");
    auto& ours = *settings.mutable_experts();
    ours.set_count(experts.at("count"));
    ours.set_per_token(experts.at("per_token"));
    ours.set_ffn_width(experts.at("ffn_width"));
    ours.set_normalise(experts.at("normalise"));
    ours.set_first_layer(experts.value("first_layer", 0));
    ours.set_balance_loss(experts.value("balance_loss", 0.0));
    ours.set_z_loss(experts.value("z_loss", 0.0));
  }
  return settings;
}

// The box of a whole tensor that a slice names, in the same memory.
inline at::Tensor part_of(at::Tensor whole, const parallel::Slice& slice) {
  for (size_t d = 0; d < slice.shape.size(); ++d)
    whole = whole.narrow(static_cast<int64_t>(d), slice.offset[d], slice.shape[d]);
  return whole;
}

// Sets every master, or the part of it that is here, from the file's formula; fails loudly when the names
// differ.
inline void set_weights(const trainer::Transformer& model, const Json& described) {
  at::NoGradGuard no_gradient;
  if (model.parameters().size() != described.size()) throw std::runtime_error("another number of parameters");
  for (const auto& parameter : model.parameters()) {
    const Json& entry = described.at(parameter->name);
    auto numbers = values(entry);
    at::Tensor whole = at::tensor(numbers, at::kDouble).view(shape(entry));
    parameter->master.copy_(part_of(whole, parameter->slice()));
  }
  model.parameters().refresh_values();
}

inline data::Batch batch(const Json& described) {
  data::Batch result;
  result.rows = described.at("rows");
  result.time = described.at("time");
  result.tokens = integers(described.at("tokens"));
  result.targets = integers(described.at("targets"));
  result.loss_mask = described.at("loss_mask").get<std::vector<float>>();
  result.positions = integers(described.at("positions"));
  result.documents = described.at("documents").get<std::vector<int32_t>>();
  return result;
}

}  // namespace sextant::golden
