#include "trainer/checkpoint/gguf_model.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/rotary_frequencies.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kMostInGguf = int64_t{1} << 24;  // as in trainer/model/model.proto
constexpr size_t kLeastTensorsOfLayer = 9;         // so that a short file can not ask for a long table
constexpr const char* kRotaryFactors = "rope_freqs.weight";

const GgufTensor* tensor_named(const GgufFile& file, std::string_view name) {
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

// One file's metadata under the prefix of its architecture.
class Metadata {
 public:
  explicit Metadata(const GgufFile& file)
      : file_(file), architecture_(std::string(file.text("general.architecture"))) {
    const auto& known = {"gpt2", "llama", "qwen2", "qwen3"};
    if (std::find(known.begin(), known.end(), architecture_) != known.end()) return;
    file.fail("general.architecture",
              fmt::format("'{:.80}' is not supported; gpt2, llama, qwen2 and qwen3 are", architecture_));
  }

  const std::string& architecture() const { return architecture_; }
  std::string key(const char* name) const { return fmt::format("{}.{}", architecture_, name); }
  int32_t whole(const char* name, int64_t maximum) const {
    return static_cast<int32_t>(file_.integer(key(name), 1, maximum));
  }
  std::optional<int64_t> given(const char* name, int64_t minimum) const {
    return file_.integer_if_given(key(name), minimum, kMostInGguf);
  }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

// llama.cpp stores Llama 3.1's scaling as one divisor a frequency; the rule's constants are found again from
// them, and checked.
RotaryScaling scaling_of_factors(const GgufFile& file, const GgufTensor& tensor, const ModelSettings& model) {
  int64_t pairs = head_width(model) / 2;
  bool fits = pairs > 0 && tensor.type == GgufTensorType::kF32 && tensor.shape == std::vector<int64_t>{pairs};
  if (!fits) file.fail(kRotaryFactors, fmt::format("is no list of {} numbers of fp32", pairs));
  at::Tensor factors = at::empty({pairs}, at::kFloat);
  dequantise(tensor.type, tensor.bytes, {factors.data_ptr<float>(), static_cast<size_t>(pairs)});
  RotaryScaling scaling;
  scaling.set_kind(RotaryScaling::llama3);
  scaling.set_factor(factors.max().item<double>());
  ModelSettings plain = model;
  plain.clear_rotary_scaling();
  at::Tensor frequencies = rotary_frequencies(plain);
  set_constant_defaults(scaling);
  at::Tensor wanted = frequencies / scaled_frequencies(frequencies, scaling);
  if (!at::allclose(factors.to(at::kDouble), wanted, 1e-4, 0)) {
    file.fail(kRotaryFactors,
              "holds a scaling other than Llama 3.1's over a context of 8192, which is not "
              "supported");
  }
  return scaling;
}

void read_rotary(const GgufFile& file, const Metadata& data, ModelSettings& model) {
  model.set_rotary_base(
      file.find(data.key("rope.freq_base")) == nullptr ? 10000 : file.positive(data.key("rope.freq_base")));
  if (auto turned = data.given("rope.dimension_count", 1); turned && *turned != head_width(model)) {
    file.fail(data.key("rope.dimension_count"),
              fmt::format("{} of a head's {} channels are turned; only all are supported", *turned,
                          head_width(model)));
  }
  if (const GgufTensor* factors = tensor_named(file, kRotaryFactors)) {
    *model.mutable_rotary_scaling() = scaling_of_factors(file, *factors, model);
    return;
  }
  std::string key = data.key("rope.scaling.type");
  if (file.find(key) == nullptr || file.text(key) == "none") return;
  if (file.text(key) != "linear") {
    file.fail(key, fmt::format("'{:.80}' is not supported; none and linear are", file.text(key)));
  }
  model.mutable_rotary_scaling()->set_kind(RotaryScaling::linear);
  model.mutable_rotary_scaling()->set_factor(file.positive(data.key("rope.scaling.factor")));
}

void read_llama(const GgufFile& file, const Metadata& data, ModelSettings& model) {
  model.set_kind(ModelSettings::llama);
  model.set_norm_epsilon(file.positive(data.key("attention.layer_norm_rms_epsilon")));
  if (auto width = data.given("attention.key_length", 1); width && *width * model.heads() != model.width()) {
    model.set_head_width(static_cast<int32_t>(*width));
  }
  auto values = data.given("attention.value_length", 1);
  if (values && *values != head_width(model)) {
    file.fail(
        data.key("attention.value_length"),
        fmt::format("{} differs from the keys' {}, which is not supported", *values, head_width(model)));
  }
  if (data.given("expert_count", 0).value_or(0) > 1) {
    file.fail(data.key("expert_count"), "experts are not supported; give a dense model");
  }
  model.set_sliding_window(static_cast<int32_t>(data.given("attention.sliding_window", 0).value_or(0)));
  model.set_qk_norm(data.architecture() == "qwen3");
  model.set_query_key_value_bias(tensor_named(file, "blk.0.attn_q.bias") != nullptr);
  model.set_attention_output_bias(tensor_named(file, "blk.0.attn_output.bias") != nullptr);
  model.set_feed_forward_bias(tensor_named(file, "blk.0.ffn_up.bias") != nullptr);
  read_rotary(file, data, model);
}

enum class Bias { kNone, kAlso };

void add(std::vector<Correspondence>& table, const std::string& key, const std::string& name, Bias bias,
         Lying lying = Lying::kSame, int64_t heads = 0) {
  table.push_back({key + ".weight", {name + ".weight"}, lying, heads});
  if (bias == Bias::kAlso) table.push_back({key + ".bias", {name + ".bias"}, lying, heads});
}

void add_attention(const std::string& key, const std::string& name, bool turned, const ModelSettings& model,
                   std::vector<Correspondence>& table) {
  if (model.kind() == ModelSettings::gpt2) {
    for (const char* kind : {".weight", ".bias"}) {
      table.push_back(
          {key + "attn_qkv" + kind, {name + "query" + kind, name + "key" + kind, name + "value" + kind}});
    }
    add(table, key + "attn_output", name + "output", Bias::kAlso);
    return;
  }
  Bias bias = model.query_key_value_bias() ? Bias::kAlso : Bias::kNone;
  Lying lying = turned ? Lying::kRotaryTurned : Lying::kSame;
  add(table, key + "attn_q", name + "query", bias, lying, model.heads());
  add(table, key + "attn_k", name + "key", bias, lying, model.kv_heads());
  add(table, key + "attn_v", name + "value", bias);
  add(table, key + "attn_output", name + "output", model.attention_output_bias() ? Bias::kAlso : Bias::kNone);
  if (!model.qk_norm()) return;
  add(table, key + "attn_q_norm", name + "query_norm", Bias::kNone);
  add(table, key + "attn_k_norm", name + "key_norm", Bias::kNone);
}

}  // namespace

ModelSettings gguf_settings(const GgufFile& file) {
  Metadata data(file);
  ModelSettings model;
  model.set_layers(data.whole("block_count", 10000));
  if (static_cast<size_t>(model.layers()) * kLeastTensorsOfLayer > file.tensors().size()) {
    file.fail(data.key("block_count"),
              fmt::format("{} layers, but the file holds {} tensors", model.layers(), file.tensors().size()));
  }
  model.set_width(data.whole("embedding_length", 1 << 20));
  model.set_heads(data.whole("attention.head_count", 1 << 16));
  if (auto heads = data.given("attention.head_count_kv", 1)) model.set_kv_heads(static_cast<int32_t>(*heads));
  model.set_ffn_width(data.whole("feed_forward_length", kMostInGguf));
  model.set_context(data.whole("context_length", kMostInGguf));
  const GgufTensor* embedding = tensor_named(file, "token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2 || embedding->shape[0] > kMostInGguf) {
    file.fail("token_embd.weight", "is missing, or no table of embeddings");
  }
  model.set_vocabulary(static_cast<int32_t>(embedding->shape[0]));
  model.set_tied_embeddings(tensor_named(file, "output.weight") == nullptr);
  if (data.architecture() == "gpt2") {
    model.set_kind(ModelSettings::gpt2);
    model.set_norm_epsilon(file.positive(data.key("attention.layer_norm_epsilon")));
  } else {
    read_llama(file, data, model);
  }
  fill_model_defaults(model, 0);
  set_constant_defaults(model);
  for (const Complaint& complaint : model_complaints(model)) file.fail(complaint.key, complaint.what);
  return model;
}

std::vector<Correspondence> gguf_correspondences(const GgufFile& file, const ModelSettings& model) {
  bool gpt2 = model.kind() == ModelSettings::gpt2;
  // Only llama.cpp's own llama turns neighbours; its other models turn (i, i + D/2) as ours does.
  bool turned = file.text("general.architecture") == "llama";
  Bias biased = gpt2 ? Bias::kAlso : Bias::kNone;
  Bias ffn_bias = gpt2 || model.feed_forward_bias() ? Bias::kAlso : Bias::kNone;
  std::vector<Correspondence> table;
  add(table, "token_embd", "embedding", Bias::kNone);
  if (gpt2) add(table, "position_embd", "position_embedding", Bias::kNone);
  for (int layer = 0; layer < model.layers(); ++layer) {
    std::string key = fmt::format("blk.{}.", layer), name = fmt::format("blocks.{}.", layer);
    add(table, key + "attn_norm", name + "attention_norm", biased);
    add_attention(key, name + "attention.", turned, model, table);
    add(table, key + "ffn_norm", name + "feed_forward_norm", biased);
    if (!gpt2) add(table, key + "ffn_gate", name + "feed_forward.gate", ffn_bias);
    add(table, key + "ffn_up", name + "feed_forward.up", ffn_bias);
    add(table, key + "ffn_down", name + "feed_forward.down", ffn_bias);
  }
  add(table, "output_norm", "final_norm", biased);
  if (!model.tied_embeddings()) add(table, "output", "output", Bias::kNone);
  return table;
}

}  // namespace sextant::trainer
