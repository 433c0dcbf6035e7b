// Supervised fine-tuning's rows, and the same training on them under every kind of layout.
#include "rlhf/supervised_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/token_shard_writer.h"
#include "parallel/group_threads.h"
#include "rlhf/stage_run.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"
#include "trainer/assembly.h"
#include "trainer/config/rules.h"
#include "trainer/loss.h"
#include "trainer/model/initialise.h"

namespace sextant::rlhf::supervised_rows_test {
namespace {

using data::expect_has;
using data::message_of;
using data::ScratchFolder;

std::string conversations(int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    auto letters = [](int64_t n, char c) { return std::string(static_cast<size_t>(n), c); };
    text += "{\"prompt\": \"" + letters(1 + i % 7, static_cast<char>('a' + i % 20)) + "\", \"response\": \"" +
            letters(1 + i % 5, 'y') + "\"}\n";
  }
  return text;
}

SupervisedRun settings_of(const std::filesystem::path& file) {
  SupervisedRun run;
  run.mutable_run()->set_steps(5);
  run.mutable_run()->set_global_batch(8);
  run.mutable_run()->set_micro_batch(2);
  trainer::ModelSettings& model = *run.mutable_model();
  model.set_kind(trainer::ModelSettings::llama);
  model.set_layers(2);
  model.set_width(16);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(32);
  model.set_context(64);
  run.mutable_optimizer()->set_learning_rate(1e-2);
  run.mutable_numerics()->set_compute(trainer::NumericsSettings::fp64);
  run.mutable_supervised()->add_train(file);
  return run;
}

SupervisedRows open(const SupervisedRun& settings, const data::Tokenizer& tokenizer, int64_t slice,
                    int64_t slices) {
  trainer::Run base = base_of(settings);
  trainer::fill_defaults(base, tokenizer.vocabulary());
  data::LoaderShape shape = trainer::rows_shape(base, slice, slices), valid = shape;
  valid.global_batch = shape.micro_batch;
  valid.slice = 0;
  valid.slices = 1;
  return open_supervised_rows(settings, tokenizer, shape, valid);
}

TEST(SupervisedRows, HoldOutFromTheEndAndSaySo) {
  ScratchFolder folder;
  data::Tokenizer tokenizer = data::byte_tokenizer();
  SupervisedRun settings = settings_of(folder.write("a.jsonl", conversations(40)));
  settings.mutable_supervised()->set_valid_fraction(0.25);
  SupervisedRows rows = open(settings, tokenizer, 0, 1);
  expect_has(rows.text, "40 conversations");
  expect_has(rows.text, "10 of them held out");
  ASSERT_NE(rows.valid, nullptr);
  EXPECT_GT(rows.train->tokens(), 2 * rows.valid->tokens());
  settings.mutable_supervised()->add_valid("b.jsonl");
  expect_has(message_of([&] { open(settings, tokenizer, 0, 1); }), "held-out conversations come from one");
}

TEST(SupervisedRows, MixPretrainingRowsIn) {
  ScratchFolder folder;
  data::Tokenizer tokenizer = data::byte_tokenizer();
  SupervisedRun settings = settings_of(folder.write("a.jsonl", conversations(40)));
  settings.mutable_supervised()->set_pretraining_share(0.25);
  expect_has(message_of([&] { open(settings, tokenizer, 0, 1); }), "lists no shard");
  data::TokenShardWriter writer(folder / "shard", data::TokenType::kU16);
  std::vector<int32_t> zeds(4000, 'Z');
  writer.add_document(zeds);
  writer.publish();
  settings.mutable_data()->add_train()->set_prefix(folder / "shard");
  SupervisedRows rows = open(settings, tokenizer, 0, 1);
  int64_t mixed = 0;
  for (int64_t step = 0; step < 50; ++step) {
    data::Batch batch = rows.train->batch(step);
    for (int64_t row = 0; row < batch.rows; ++row) {
      auto first = static_cast<size_t>(row * batch.time);
      if (batch.tokens[first] != 'Z') continue;
      ++mixed;
      float counted = 0;
      for (size_t i = first; i < first + 64; ++i) counted += batch.loss_mask[i];
      EXPECT_EQ(counted, 64) << "of text every token counts";
      EXPECT_EQ(batch.positions[first + 63], 63);
    }
  }
  // The mixture has exactly its share of each 10,000 rows; of 400 it is near (binomial, four deviations).
  EXPECT_NEAR(static_cast<double>(mixed), 100, 35);
}

struct Layout {
  int32_t data = 1, tensor = 1, pipeline = 1, context = 1;
};

// Losses of five steps.
std::vector<double> losses(const SupervisedRun& settings, const Layout& layout) {
  data::Tokenizer tokenizer = data::byte_tokenizer();
  trainer::Run run = base_of(settings);
  parallel::MeshSettings& mesh = *run.mutable_parallel();
  mesh.set_data(layout.data);
  mesh.set_tensor(layout.tensor);
  mesh.set_pipeline(layout.pipeline);
  mesh.set_context(layout.context);
  trainer::fill_defaults(run, 258);  // the tokenizer's 257 and one that tensor ranks can share
  std::vector<double> found;
  parallel::run_ranks(
      layout.data * layout.tensor * layout.pipeline * layout.context, [&](parallel::Group& world) {
        trainer::Assembly assembly(run, world, at::kCPU);
        trainer::initialise(assembly.step().pieces(), 1);
        assembly.step().refresh_values();
        parallel::Group& data = assembly.mesh().data();
        SupervisedRows rows = open(settings, tokenizer, data.rank().value(), data.size());
        trainer::Breakdown breakdown;
        for (int64_t step = 0; step < 5; ++step) {
          double loss =
              assembly.step()
                  .run(Step(step), rows.train->batch(step), 2, trainer::next_token_loss(32), breakdown)
                  .loss;
          if (world.rank() == Rank(0)) found.push_back(loss);
        }
      });
  return found;
}

TEST(SupervisedRows, EveryLayoutLearnsTheSame) {
  ScratchFolder folder;
  SupervisedRun settings = settings_of(folder.write("a.jsonl", conversations(60)));
  std::vector<double> alone = losses(settings, {});
  ASSERT_EQ(alone.size(), 5u);
  EXPECT_LT(alone.back(), alone.front());
  for (const Layout& layout :
       {Layout{2, 1, 1, 1}, Layout{1, 2, 1, 1}, Layout{1, 1, 2, 1}, Layout{1, 1, 1, 2}, Layout{2, 1, 2, 1}}) {
    std::vector<double> found = losses(settings, layout);
    ASSERT_EQ(found.size(), alone.size());
    // fp64: only the order of sums differs.
    for (size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(found[i], alone[i], 1e-10 * alone[i]);
  }
}

}  // namespace
}  // namespace sextant::rlhf::supervised_rows_test
