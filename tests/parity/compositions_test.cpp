// Layouts that compose every pair of axes against one rank: ten steps each.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "data/token_shard_writer.h"
#include "parallel/base/seed.h"
#include "parallel/group_threads.h"
#include "tests/data/scratch_folder.h"
#include "tests/parity/drawn_layouts.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"
#include "trainer/verification.h"

namespace sextant::parity {
namespace {

constexpr int64_t kSteps = 10;
constexpr int64_t kVocabulary = 64;
constexpr size_t kLayouts = 40;

// Documents of drawn lengths and ids, so that rows hold several and masks matter.
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

// The kinds of model; all settings that a layout could get wrong stand in one of them.
std::string model_yaml(const std::string& model) {
  std::string shared = "layers: 4, width: 32, heads: 8, context: 32, vocabulary: 64";
  if (model == "gpt2") return "{kind: gpt2, " + shared + "}";
  if (model == "qwen") {
    return "{kind: llama, " + shared +
           ", kv_heads: 2, ffn_width: 64, query_key_value_bias: true, qk_norm: true, tied_embeddings: true, "
           "sliding_window: 12}";
  }
  if (model == "moe") {
    return "{kind: llama, " + shared +
           ", kv_heads: 4, ffn_width: 64, experts: {count: 4, per_token: 2, ffn_width: 32, shared: 1, "
           "first_layer: 1, balance_bias_rate: 0.01, z_loss: 0.001, capacity_factor: 1.5}}";
  }
  return "{kind: llama, " + shared + ", kv_heads: 4, ffn_width: 64}";
}

trainer::Run configured(const DrawnLayout& layout, const std::filesystem::path& prefix,
                        const std::string& compute) {
  std::string yaml = fmt::format(
      "run: {{steps: {}, seed: 7, global_batch: 8}}\nmodel: {}\n"
      "optimizer: {{learning_rate: 1e-2, warmup_steps: 2, grad_clip: 0.5}}\nnumerics: {{compute: {}, "
      "loss_chunk: 24}}\n"
      "data: {{tokenizer: none.json, train: [{}]}}\n",
      kSteps, model_yaml(layout.choices.at("model")), compute, prefix.string());
  trainer::Run run;
  trainer::load_config_text(yaml, "parity.yaml", layout.overrides(), run, nullptr);
  trainer::fill_defaults(run, kVocabulary);
  for (const trainer::Complaint& complaint : trainer::complaints(run, layout.ranks)) {
    ADD_FAILURE() << complaint.key << ": " << complaint.what;
  }
  return run;
}

class Compositions : public testing::TestWithParam<DrawnLayout> {
 protected:
  void SetUp() override { write_shard(folder_ / "shard"); }

  // The largest relative difference of a loss, and of a weight's movement, from one rank's.
  std::pair<double, double> worst(const std::string& compute) {
    trainer::Run run = configured(GetParam(), folder_ / "shard", compute);
    auto alone = parallel::single_rank_group();
    trainer::Trace reference = trainer::trace_run(trainer::on_one_rank(run), *alone, at::kCPU, kSteps);
    EXPECT_LT(reference.losses.back(), reference.losses.front());
    std::pair<double, double> found;
    parallel::run_ranks(GetParam().ranks, [&](parallel::Group& world) {
      trainer::Trace layout = trainer::trace_run(run, world, at::kCPU, kSteps);
      EXPECT_EQ(layout.losses.size(), reference.losses.size());
      if (world.rank() != Rank(0)) return;
      auto difference = trainer::compare(reference, layout);
      found = {difference.worst_loss(), difference.worst_weight()};
    });
    return found;
  }

  data::ScratchFolder folder_;
};

// Sums of some thousand fp64 numbers in another order; Adam magnifies the rounding of the smallest gradients.
TEST_P(Compositions, AgreeWithOneRankInFp64) {
  auto [loss, weight] = worst("fp64");
  EXPECT_LE(loss, 1e-10);
  EXPECT_LE(weight, 1e-7);
}

TEST_P(Compositions, AgreeWithOneRankInFp32) {
  EXPECT_LE(worst("fp32").first, 1e-5);  // the same with fp32's rounding, over ten steps
}

INSTANTIATE_TEST_SUITE_P(Drawn, Compositions, testing::ValuesIn(draw_layouts(kLayouts)),
                         [](const auto& named) {
                           return fmt::format("{:02}_{}", named.index, named.param.name());
                         });

TEST(DrawnLayouts, CoverEveryPairOfChoices) {
  auto layouts = draw_layouts(kLayouts);
  EXPECT_GE(layouts.size(), kLayouts);
  EXPECT_EQ(pairs_missed(layouts), 0u);
}

}  // namespace
}  // namespace sextant::parity
