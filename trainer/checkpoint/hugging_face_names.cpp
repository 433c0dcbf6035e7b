#include <fmt/format.h>

#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

// One layer's linear: the weight and, where the model has one, the bias beside it.
class Table {
 public:
  std::vector<Correspondence> rows;

  void add(const std::string& key, const std::string& name, const char* kind, Lying lying = Lying::kSame) {
    rows.push_back({key + kind, {name + kind}, lying});
  }
  enum class Bias { kNone, kAlso };
  void linear(const std::string& key, const std::string& name, Bias bias, Lying lying = Lying::kSame) {
    add(key, name, ".weight", lying);
    if (bias == Bias::kAlso) add(key, name, ".bias", lying);
  }
};

Table::Bias bias_if(bool has) {
  return has ? Table::Bias::kAlso : Table::Bias::kNone;
}

void add_gpt2_block(int layer, Table& table) {
  std::string theirs = fmt::format("transformer.h.{}.", layer), ours = fmt::format("blocks.{}.", layer);
  constexpr auto kBiased = Table::Bias::kAlso;
  table.linear(theirs + "ln_1", ours + "attention_norm", kBiased);
  for (const char* kind : {".weight", ".bias"}) {
    std::string attention = ours + "attention.";
    table.rows.push_back({theirs + "attn.c_attn" + kind,
                          {attention + "query" + kind, attention + "key" + kind, attention + "value" + kind},
                          Lying::kTransposed});
  }
  table.linear(theirs + "attn.c_proj", ours + "attention.output", kBiased, Lying::kTransposed);
  table.linear(theirs + "ln_2", ours + "feed_forward_norm", kBiased);
  table.linear(theirs + "mlp.c_fc", ours + "feed_forward.up", kBiased, Lying::kTransposed);
  table.linear(theirs + "mlp.c_proj", ours + "feed_forward.down", kBiased, Lying::kTransposed);
}

// The files hold each expert's matrices as tensors of their own.
void add_experts(int layer, HfArchitecture architecture, const ModelSettings& settings, Table& table) {
  std::string ours = fmt::format("blocks.{}.experts", layer);
  bool mixtral = architecture == HfArchitecture::kMixtral;
  std::string theirs = fmt::format("model.layers.{}.{}.", layer, mixtral ? "block_sparse_moe" : "mlp");
  table.add(fmt::format("model.layers.{}.post_attention_layernorm", layer), ours + "_norm", ".weight");
  table.add(theirs + "gate", ours + ".router", ".weight");
  const std::pair<const char*, const char*> matrices[] = {{mixtral ? "w1" : "gate_proj", ".gate.weight"},
                                                          {mixtral ? "w3" : "up_proj", ".up.weight"},
                                                          {mixtral ? "w2" : "down_proj", ".down.weight"}};
  for (int64_t expert = 0; expert < settings.experts().count(); ++expert) {
    for (const auto& [key, name] : matrices) {
      Correspondence place{fmt::format("{}experts.{}.{}.weight", theirs, expert, key), {ours + name}};
      place.layer_of_stack = expert;
      table.rows.push_back(std::move(place));
    }
  }
}

void add_llama_block(int layer, HfArchitecture architecture, const ModelSettings& settings, Table& table) {
  std::string theirs = fmt::format("model.layers.{}.", layer), ours = fmt::format("blocks.{}.", layer);
  auto qkv_bias = bias_if(settings.query_key_value_bias());
  auto ffn_bias = bias_if(settings.feed_forward_bias());
  table.add(theirs + "input_layernorm", ours + "attention_norm", ".weight");
  table.linear(theirs + "self_attn.q_proj", ours + "attention.query", qkv_bias);
  table.linear(theirs + "self_attn.k_proj", ours + "attention.key", qkv_bias);
  table.linear(theirs + "self_attn.v_proj", ours + "attention.value", qkv_bias);
  table.linear(theirs + "self_attn.o_proj", ours + "attention.output",
               bias_if(settings.attention_output_bias()));
  if (settings.qk_norm()) {
    table.add(theirs + "self_attn.q_norm", ours + "attention.query_norm", ".weight");
    table.add(theirs + "self_attn.k_norm", ours + "attention.key_norm", ".weight");
  }
  if (has_experts(settings, layer)) return add_experts(layer, architecture, settings, table);
  table.add(theirs + "post_attention_layernorm", ours + "feed_forward_norm", ".weight");
  table.linear(theirs + "mlp.gate_proj", ours + "feed_forward.gate", ffn_bias);
  table.linear(theirs + "mlp.up_proj", ours + "feed_forward.up", ffn_bias);
  table.linear(theirs + "mlp.down_proj", ours + "feed_forward.down", ffn_bias);
}

}  // namespace

std::vector<Correspondence> hf_correspondences(HfArchitecture architecture, const ModelSettings& settings) {
  Table table;
  bool gpt2 = architecture == HfArchitecture::kGpt2;
  table.add(gpt2 ? "transformer.wte" : "model.embed_tokens", "embedding", ".weight");
  if (gpt2) table.add("transformer.wpe", "position_embedding", ".weight");
  for (int layer = 0; layer < settings.layers(); ++layer) {
    if (gpt2) {
      add_gpt2_block(layer, table);
    } else {
      add_llama_block(layer, architecture, settings, table);
    }
  }
  table.linear(gpt2 ? "transformer.ln_f" : "model.norm", "final_norm", bias_if(gpt2));
  if (!settings.tied_embeddings()) table.add("lm_head", "output", ".weight");
  return table.rows;
}

}  // namespace sextant::trainer
