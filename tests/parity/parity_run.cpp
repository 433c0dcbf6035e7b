#include "tests/parity/parity_run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/token_shard_writer.h"
#include "parallel/base/seed.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"

namespace sextant::parity {
namespace {

constexpr int64_t kVocabulary = 64;

// The kinds of model; all settings that a layout could get wrong stand in one of them.
std::string model_yaml(const std::string& model) {
  std::string shared = "layers: 4, width: 32, heads: 8, context: 32, vocabulary: 64";
  if (model == "gpt2") return "{kind: gpt2, " + shared + "}";
  if (model == "qwen" || model == "qwen4") {
    return "{kind: llama, " + shared + ", kv_heads: " + (model == "qwen" ? "2" : "4") +
           ", ffn_width: 64, query_key_value_bias: true, qk_norm: true, tied_embeddings: true, "
           "sliding_window: 12}";
  }
  if (model == "moe") {
    return "{kind: llama, " + shared +
           ", kv_heads: 4, ffn_width: 64, experts: {count: 4, per_token: 2, ffn_width: 32, shared: 1, "
           "first_layer: 1, balance_bias_rate: 0.01, z_loss: 0.001, capacity_factor: 1.5}}";
  }
  return "{kind: llama, " + shared + ", kv_heads: 4, ffn_width: 64}";
}

}  // namespace

void write_shard(const std::filesystem::path& prefix) {
  data::TokenShardWriter writer(prefix, data::TokenType::kU16);
  RandomKey key(5, "parity shard");
  for (uint64_t document = 0; document < 120; ++document) {
    std::vector<int32_t> ids;
    auto length = static_cast<uint64_t>(5 + 40 * key.uniform(document, 0));
    for (uint64_t i = 1; i <= length; ++i) {
      // Half of the ids follow from the one before: there is something to learn.
      double drawn = key.uniform(document, i);
      int32_t next = ids.empty() ? 1 : (ids.back() * 5 + 3) % static_cast<int32_t>(kVocabulary - 1) + 1;
      ids.push_back(drawn < 0.5 ? next : static_cast<int32_t>(drawn * (kVocabulary - 1)) + 1);
    }
    ids.push_back(0);
    writer.add_document(ids);
  }
  writer.publish();
}

trainer::Run configured(const DrawnLayout& layout, const std::filesystem::path& prefix,
                        const std::string& compute, int64_t steps) {
  std::string yaml = fmt::format(
      "run: {{steps: {}, seed: 7, global_batch: 8}}\nmodel: {}\n"
      "optimizer: {{learning_rate: 1e-2, warmup_steps: 2, grad_clip: 0.5}}\n"
      "numerics: {{compute: {}, loss_chunk: 24}}\n"
      "data: {{tokenizer: none.json, train: [{}]}}\n",
      steps, model_yaml(layout.choices.at("model")), compute, prefix.string());
  trainer::Run run;
  trainer::load_config_text(yaml, "parity.yaml", layout.overrides(), run, nullptr);
  trainer::fill_defaults(run, kVocabulary);
  for (const trainer::Complaint& complaint : trainer::complaints(run, layout.ranks)) {
    ADD_FAILURE() << complaint.key << ": " << complaint.what;
  }
  return run;
}

}  // namespace sextant::parity
