#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/base/error.h"
#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/hugging_face_experts.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

using Json = nlohmann::ordered_json;

void put_gpt2(const ModelSettings& model, Json& config) {
  config["model_type"] = "gpt2";
  config["vocab_size"] = model.vocabulary();
  config["n_positions"] = model.context();
  config["n_embd"] = model.width();
  config["n_layer"] = model.layers();
  config["n_head"] = model.heads();
  config["n_inner"] = model.ffn_width();
  config["activation_function"] = "gelu_new";
  config["layer_norm_epsilon"] = model.norm_epsilon();
  for (const char* dropout : {"attn_pdrop", "embd_pdrop", "resid_pdrop"}) config[dropout] = 0.0;
}

Json rotary_scaling(const RotaryScaling& scaling) {
  if (scaling.kind() == RotaryScaling::unscaled) return nullptr;
  if (scaling.kind() == RotaryScaling::linear) return {{"rope_type", "linear"}, {"factor", scaling.factor()}};
  return {{"rope_type", "llama3"},
          {"factor", scaling.factor()},
          {"low_freq_factor", scaling.low_frequency()},
          {"high_freq_factor", scaling.high_frequency()},
          {"original_max_position_embeddings", scaling.original_context()}};
}

void put_window(const ModelSettings& model, HfArchitecture architecture, Json& config) {
  Json window = model.sliding_window() > 0 ? Json(model.sliding_window()) : Json();
  bool mistral = architecture == HfArchitecture::kMistral || architecture == HfArchitecture::kMixtral;
  if (mistral) config["sliding_window"] = window;
  if (mistral || architecture == HfArchitecture::kLlama) return;
  config["use_sliding_window"] = model.sliding_window() > 0;
  config["sliding_window"] = window;
  config["max_window_layers"] = model.sliding_window() > 0 ? 0 : model.layers();
}

const char* model_type(HfArchitecture architecture) {
  switch (architecture) {
    case HfArchitecture::kGpt2:
      return "gpt2";
    case HfArchitecture::kLlama:
      return "llama";
    case HfArchitecture::kMistral:
      return "mistral";
    case HfArchitecture::kQwen2:
      return "qwen2";
    case HfArchitecture::kQwen3:
      return "qwen3";
    case HfArchitecture::kMixtral:
      return "mixtral";
    case HfArchitecture::kQwen3Moe:
      return "qwen3_moe";
  }
  return "";
}

void put_llama(const ModelSettings& model, HfArchitecture architecture, Json& config) {
  config["model_type"] = model_type(architecture);
  config["vocab_size"] = model.vocabulary();
  config["max_position_embeddings"] = model.context();
  config["hidden_size"] = model.width();
  config["num_hidden_layers"] = model.layers();
  config["num_attention_heads"] = model.heads();
  config["num_key_value_heads"] = model.kv_heads();
  config["head_dim"] = head_width(model);
  config["intermediate_size"] = model.ffn_width();
  config["hidden_act"] = "silu";
  config["rms_norm_eps"] = model.norm_epsilon();
  config["rope_theta"] = model.rotary_base();
  config["rope_scaling"] = rotary_scaling(model.rotary_scaling());
  config["attention_dropout"] = 0.0;
  if (architecture == HfArchitecture::kLlama || architecture == HfArchitecture::kQwen3 ||
      architecture == HfArchitecture::kQwen3Moe) {
    config["attention_bias"] = model.query_key_value_bias();
  }
  if (architecture == HfArchitecture::kLlama) config["mlp_bias"] = model.feed_forward_bias();
  put_window(model, architecture, config);
  if (is_mixture(architecture)) put_hf_experts(model, architecture, config);
}

}  // namespace

HfArchitecture architecture_for(const ModelSettings& model) {
  if (model.kind() == ModelSettings::gpt2) return HfArchitecture::kGpt2;
  if (model.experts().count() > 0) return mixture_for(model);
  bool qkv = model.query_key_value_bias(), output = model.attention_output_bias();
  bool ffn = model.feed_forward_bias(), window = model.sliding_window() > 0;
  if (model.qk_norm() && qkv == output && !ffn) return HfArchitecture::kQwen3;
  if (!model.qk_norm() && qkv && !output && !ffn) return HfArchitecture::kQwen2;
  if (!model.qk_norm() && !qkv && !output && !ffn && window) return HfArchitecture::kMistral;
  if (!model.qk_norm() && qkv == output && !window) return HfArchitecture::kLlama;
  fail_input(fmt::format(
      "no model of transformers has model.qk_norm={}, query_key_value_bias={}, "
      "attention_output_bias={}, feed_forward_bias={} and sliding_window={} together, so this one "
      "can not be exported",
      model.qk_norm(), qkv, output, ffn, model.sliding_window()));
}

std::string write_hf_config(const ModelSettings& model, HfArchitecture architecture, const HfExtras& extras) {
  Json config;
  config["architectures"] = {architecture_name(architecture)};
  if (architecture == HfArchitecture::kGpt2) {
    put_gpt2(model, config);
  } else {
    put_llama(model, architecture, config);
  }
  config["tie_word_embeddings"] = model.tied_embeddings();
  config["initializer_range"] = model.initial_std();
  if (extras.begin_id >= 0) config["bos_token_id"] = extras.begin_id;
  if (extras.end_id >= 0) config["eos_token_id"] = extras.end_id;
  config["use_cache"] = true;
  config["torch_dtype"] = extras.dtype;
  return config.dump(2) + "\n";
}

std::string refreshed_hf_config(std::string_view kept, const ModelSettings& model, const std::string& dtype) {
  Json config = Json::parse(kept);
  config[model.kind() == ModelSettings::gpt2 ? "n_positions" : "max_position_embeddings"] = model.context();
  if (config.contains("n_ctx")) config["n_ctx"] = model.context();
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = dtype;
  return config.dump(2) + "\n";
}

}  // namespace sextant::trainer
