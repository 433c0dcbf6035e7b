#include "trainer/checkpoint/hugging_face_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "parallel/base/error.h"
#include "trainer/checkpoint/hugging_face_experts.h"
#include "trainer/checkpoint/json_settings.h"
#include "trainer/config/load.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kMost = int64_t{1} << 24;  // as in trainer/model/model.proto

constexpr std::array<std::pair<std::string_view, HfArchitecture>, 7> kArchitectures{{
    {"GPT2LMHeadModel", HfArchitecture::kGpt2},
    {"LlamaForCausalLM", HfArchitecture::kLlama},
    {"MistralForCausalLM", HfArchitecture::kMistral},
    {"Qwen2ForCausalLM", HfArchitecture::kQwen2},
    {"Qwen3ForCausalLM", HfArchitecture::kQwen3},
    {"MixtralForCausalLM", HfArchitecture::kMixtral},
    {"Qwen3MoeForCausalLM", HfArchitecture::kQwen3Moe},
}};

HfArchitecture read_architecture(const JsonSettings& config) {
  std::vector<std::string> names = config.texts("architectures");
  if (names.size() != 1) config.fail("architectures", "names not one architecture");
  for (const auto& [name, architecture] : kArchitectures) {
    if (names[0] == name) return architecture;
  }
  std::vector<std::string_view> known;
  known.reserve(kArchitectures.size());
  for (const auto& [name, architecture] : kArchitectures) known.push_back(name);
  config.fail("architectures",
              fmt::format("'{}' is not supported; these are: {}", names[0], fmt::join(known, ", ")));
}

// A value that we compute in one way only.
void expect_flag(const JsonSettings& config, const std::string& key, bool wanted) {
  if (config.flag_or(key, wanted) != wanted) {
    config.fail(key, fmt::format("{} is not supported; only {} is", !wanted, wanted));
  }
}

void expect_activation(const JsonSettings& config, const std::string& key, const std::string& otherwise,
                       const std::vector<std::string>& equal) {
  std::string given = config.text_or(key, otherwise);
  if (std::find(equal.begin(), equal.end(), given) != equal.end()) return;
  config.fail(key, fmt::format("'{}' is not supported; only '{}' is", given, equal[0]));
}

void refuse_what_is_elsewhere(const JsonSettings& config, HfArchitecture architecture) {
  if (config.has("quantization_config")) {
    config.fail("quantization_config",
                "quantised weights are read from GGUF files only; give the model's "
                "folder with plain weights");
  }
  if (is_mixture(architecture)) return;
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (config.has(key) && config.integer(key, 0, kMost) > 1) {
      config.fail(
          key, fmt::format("{} with experts is not supported; MixtralForCausalLM and Qwen3MoeForCausalLM are",
                           architecture_name(architecture)));
    }
  }
}

void read_gpt2(const JsonSettings& config, ModelSettings& model) {
  model.set_kind(ModelSettings::gpt2);
  auto whole = [&](const char* key) { return static_cast<int32_t>(config.integer(key, 1, kMost)); };
  model.set_layers(static_cast<int32_t>(config.integer("n_layer", 1, 10000)));
  model.set_width(static_cast<int32_t>(config.integer("n_embd", 1, 1 << 20)));
  model.set_heads(static_cast<int32_t>(config.integer("n_head", 1, 1 << 16)));
  model.set_vocabulary(whole("vocab_size"));
  model.set_context(whole(config.has("n_positions") ? "n_positions" : "n_ctx"));
  if (config.has("n_inner")) model.set_ffn_width(whole("n_inner"));
  model.set_norm_epsilon(config.positive_or("layer_norm_epsilon", 1e-5));
  model.set_tied_embeddings(config.flag_or("tie_word_embeddings", true));
  expect_activation(config, "activation_function", "gelu_new", {"gelu_new", "gelu_pytorch_tanh"});
  expect_flag(config, "scale_attn_weights", true);
  expect_flag(config, "scale_attn_by_inverse_layer_idx", false);
  expect_flag(config, "add_cross_attention", false);
}

void read_rotary(const JsonSettings& config, double rotary_base, ModelSettings& model) {
  // transformers 5 puts all of it into rope_parameters; before, rope_theta stood alone.
  const char* key = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  model.set_rotary_base(config.positive_or("rope_theta", rotary_base));
  if (config.positive_or("partial_rotary_factor", 1) != 1) {
    config.fail("partial_rotary_factor", "is not supported; only 1 is");
  }
  if (!config.has(key)) return;
  JsonSettings scaling = config.object(key);
  if (scaling.has("rope_theta")) model.set_rotary_base(scaling.positive("rope_theta"));
  std::string type = scaling.text_or("rope_type", scaling.text_or("type", "default"));
  if (type == "default") return;
  RotaryScaling& ours = *model.mutable_rotary_scaling();
  if (type != "linear" && type != "llama3") {
    scaling.fail("rope_type", fmt::format("'{}' is not supported; default, linear and llama3 are", type));
  }
  ours.set_kind(type == "linear" ? RotaryScaling::linear : RotaryScaling::llama3);
  ours.set_factor(scaling.positive("factor"));
  if (type == "linear") return;
  ours.set_low_frequency(scaling.positive("low_freq_factor"));
  ours.set_high_frequency(scaling.positive("high_freq_factor"));
  ours.set_original_context(
      static_cast<int32_t>(scaling.integer("original_max_position_embeddings", 1, kMost)));
}

// Tokens that every layer sees; 0: all. Layers must be alike.
int64_t read_window(const JsonSettings& config, HfArchitecture architecture, int64_t layers) {
  bool qwen = architecture == HfArchitecture::kQwen2 || architecture == HfArchitecture::kQwen3 ||
              architecture == HfArchitecture::kQwen3Moe;
  if (architecture == HfArchitecture::kLlama || (qwen && !config.flag_or("use_sliding_window", false))) {
    return 0;
  }
  bool none = config.is_given("sliding_window") || architecture == HfArchitecture::kMixtral;
  int64_t otherwise = none ? 0 : 4096;  // the classes' own defaults
  int64_t window = config.integer_or("sliding_window", otherwise, 1, kMost);
  if (!qwen || window == 0 || architecture == HfArchitecture::kQwen3Moe) return window;
  std::vector<std::string> types = config.texts("layer_types");
  auto sliding = std::count(types.begin(), types.end(), "sliding_attention");
  if (types.empty())
    sliding = std::max<int64_t>(0, layers - config.integer_or("max_window_layers", 28, 0, kMost));
  if (sliding != 0 && sliding != layers) {
    config.fail("layer_types", fmt::format("{} of {} layers see a window and the others all; only the same "
                                           "for all layers is supported",
                                           sliding, layers));
  }
  return sliding == 0 ? 0 : window;
}

void read_biases(const JsonSettings& config, HfArchitecture architecture, ModelSettings& model) {
  bool all = architecture != HfArchitecture::kMistral && architecture != HfArchitecture::kQwen2 &&
             architecture != HfArchitecture::kMixtral && config.flag_or("attention_bias", false);
  model.set_query_key_value_bias(all || architecture == HfArchitecture::kQwen2);
  model.set_attention_output_bias(all);
  model.set_feed_forward_bias(architecture == HfArchitecture::kLlama && config.flag_or("mlp_bias", false));
}

void read_llama(const JsonSettings& config, HfArchitecture architecture, ModelSettings& model) {
  model.set_kind(ModelSettings::llama);
  auto whole = [&](const char* key) { return static_cast<int32_t>(config.integer(key, 1, kMost)); };
  model.set_layers(static_cast<int32_t>(config.integer("num_hidden_layers", 1, 10000)));
  model.set_width(static_cast<int32_t>(config.integer("hidden_size", 1, 1 << 20)));
  model.set_heads(static_cast<int32_t>(config.integer("num_attention_heads", 1, 1 << 16)));
  if (config.has("num_key_value_heads")) {
    model.set_kv_heads(static_cast<int32_t>(config.integer("num_key_value_heads", 1, 1 << 16)));
  } else if (architecture != HfArchitecture::kLlama) {
    config.fail("num_key_value_heads", "is missing");
  }
  int64_t default_width = architecture == HfArchitecture::kQwen3 ? 128 : 0;
  int64_t head = config.integer_or("head_dim", default_width, 1, 1 << 16);
  if (head != 0 && head * model.heads() != model.width()) model.set_head_width(static_cast<int32_t>(head));
  model.set_ffn_width(whole("intermediate_size"));
  model.set_vocabulary(whole("vocab_size"));
  model.set_context(whole("max_position_embeddings"));
  bool mixtral = architecture == HfArchitecture::kMixtral;
  model.set_norm_epsilon(config.positive_or("rms_norm_eps", mixtral ? 1e-5 : 1e-6));
  model.set_tied_embeddings(config.flag_or("tie_word_embeddings", false));
  model.set_qk_norm(architecture == HfArchitecture::kQwen3 || architecture == HfArchitecture::kQwen3Moe);
  model.set_sliding_window(static_cast<int32_t>(read_window(config, architecture, model.layers())));
  read_rotary(config, mixtral ? 1e6 : 10000, model);
  read_biases(config, architecture, model);
  expect_activation(config, "hidden_act", "silu", {"silu", "swish"});
  if (is_mixture(architecture)) read_hf_experts(config, architecture, model);
}

}  // namespace

std::string_view architecture_name(HfArchitecture architecture) {
  for (const auto& [name, candidate] : kArchitectures) {
    if (candidate == architecture) return name;
  }
  return "";
}

HfConfig parse_hf_config(std::string_view text, const std::string& origin) {
  JsonSettings config = JsonSettings::parse(text, origin);
  HfConfig result;
  result.architecture = read_architecture(config);
  refuse_what_is_elsewhere(config, result.architecture);
  if (result.architecture == HfArchitecture::kGpt2) {
    read_gpt2(config, result.settings);
  } else {
    read_llama(config, result.architecture, result.settings);
  }
  fill_model_defaults(result.settings, 0);
  set_constant_defaults(result.settings);
  for (const Complaint& complaint : model_complaints(result.settings)) {
    fail_input(fmt::format("{}: {}: {}", origin, complaint.key, complaint.what));
  }
  return result;
}

}  // namespace sextant::trainer
