#include "trainer/checkpoint/hugging_face_experts.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kMostInExperts = int64_t{1} << 24;  // as in trainer/model/model.proto

// transformers' balance loss is k when tokens are spread evenly, and a mean over layers; ours is 1, and a
// sum.
double layers_a_choice(const ModelSettings& model) {
  return static_cast<double>(expert_layers(model)) / static_cast<double>(model.experts().per_token());
}

// Qwen's rule: every `step`-th layer, counted from 1, but for those that are listed as dense.
void read_layers(const JsonSettings& config, ModelSettings& model) {
  int64_t step = config.integer_or("decoder_sparse_step", 1, 1, 10000);
  std::vector<int64_t> dense = config.integers("mlp_only_layers", 0, kMostInExperts);
  auto has = [&](int64_t layer) {
    return (layer + 1) % step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end();
  };
  int64_t first = 0;
  while (first < model.layers() && !has(first)) ++first;
  if (first == model.layers()) {
    config.fail("decoder_sparse_step", "leaves no layer with experts; give a dense architecture");
  }
  model.mutable_experts()->set_first_layer(static_cast<int32_t>(first));
  model.mutable_experts()->set_every(static_cast<int32_t>(step));
  for (int64_t layer = 0; layer < model.layers(); ++layer) {
    if (has(layer) == has_experts(model, layer)) continue;
    config.fail(
        "mlp_only_layers",
        fmt::format("makes layer {} dense between layers with experts; only the first layers can be", layer));
  }
}

}  // namespace

bool is_mixture(HfArchitecture architecture) {
  return architecture == HfArchitecture::kMixtral || architecture == HfArchitecture::kQwen3Moe;
}

void read_hf_experts(const JsonSettings& config, HfArchitecture architecture, ModelSettings& model) {
  bool mixtral = architecture == HfArchitecture::kMixtral;
  ExpertSettings& experts = *model.mutable_experts();
  const char* count = mixtral ? "num_local_experts" : "num_experts";
  experts.set_count(static_cast<int32_t>(config.integer(count, 1, 65536)));
  experts.set_per_token(static_cast<int32_t>(config.integer("num_experts_per_tok", 1, 1024)));
  experts.set_ffn_width(
      mixtral ? model.ffn_width()
              : static_cast<int32_t>(config.integer("moe_intermediate_size", 1, kMostInExperts)));
  experts.set_normalise(mixtral || config.flag_or("norm_topk_prob", false));
  if (!mixtral) read_layers(config, model);
  experts.set_balance_loss(config.not_negative_or("router_aux_loss_coef", 0.001) / layers_a_choice(model));
}

void put_hf_experts(const ModelSettings& model, HfArchitecture architecture, nlohmann::ordered_json& config) {
  const ExpertSettings& experts = model.experts();
  bool mixtral = architecture == HfArchitecture::kMixtral;
  config[mixtral ? "num_local_experts" : "num_experts"] = experts.count();
  config["num_experts_per_tok"] = experts.per_token();
  config["router_aux_loss_coef"] = experts.balance_loss() * layers_a_choice(model);
  config["output_router_logits"] = false;
  if (mixtral) return;
  config["moe_intermediate_size"] = expert_width(model);
  config["norm_topk_prob"] = experts.normalise();
  config["decoder_sparse_step"] = experts.every();
  config["mlp_only_layers"] = nlohmann::ordered_json::array();
  for (int64_t layer = 0; layer < experts.first_layer(); ++layer) {
    if ((layer + 1) % experts.every() == 0) config["mlp_only_layers"].push_back(layer);
  }
}

HfArchitecture mixture_for(const ModelSettings& model) {
  const ExpertSettings& experts = model.experts();
  auto refuse = [](const std::string& what) {
    fail_input(fmt::format(
        "no model of transformers that is written here has {}, so this one can not be exported", what));
  };
  if (experts.score() != ExpertSettings::softmax) refuse("model.experts.score=sigmoid");
  if (experts.balance_bias_rate() > 0) refuse("model.experts.balance_bias_rate above 0");
  if (experts.shared() > 0) refuse(fmt::format("model.experts.shared={}", experts.shared()));
  if (experts.weight_scale() != 1)
    refuse(fmt::format("model.experts.weight_scale={}", experts.weight_scale()));
  bool qkv = model.query_key_value_bias(), output = model.attention_output_bias();
  if (model.qk_norm()) {
    if (qkv != output)
      refuse("experts with biases on queries, keys and values alone, or on the output alone");
    if ((experts.first_layer() + 1) % experts.every() != 0) {
      refuse(fmt::format(
          "model.experts.first_layer={} with every={}; every-th layers counted from 1 have experts",
          experts.first_layer(), experts.every()));
    }
    return HfArchitecture::kQwen3Moe;
  }
  if (qkv || output) refuse("experts with biases in attention, but no model.qk_norm");
  if (!experts.normalise()) refuse("model.experts.normalise=false without model.qk_norm");
  if (expert_layers(model) != model.layers()) refuse("dense layers beside experts without model.qk_norm");
  if (expert_width(model) != model.ffn_width()) {
    refuse(fmt::format("model.experts.ffn_width={} beside model.ffn_width={} without model.qk_norm",
                       expert_width(model), model.ffn_width()));
  }
  return HfArchitecture::kMixtral;
}

}  // namespace sextant::trainer
