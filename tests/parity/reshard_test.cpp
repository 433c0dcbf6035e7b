// Checkpoints saved under any layout, loaded under any other: every pair, weights and optimizer, bit for bit.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/data/scratch_folder.h"
#include "tests/parity/drawn_layouts.h"
#include "tests/parity/parity_run.h"
#include "trainer/assembly.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/gather.h"
#include "trainer/model/initialise.h"
#include "trainer/state.h"

namespace sextant::parity::reshard_test {
namespace {

struct Case {
  std::string model, compute, optimizer;
};

// One rank, and layouts that each cut weights in another way.
std::vector<DrawnLayout> layouts_of(const std::string& model, const std::string& optimizer) {
  using Choices = std::map<std::string, std::string>;
  std::vector<std::pair<int64_t, Choices>> all = {
      {1, {}},
      {2, {{"parallel.tensor", "2"}}},
      {4, {{"parallel.data", "4"}, {"parallel.zero_stage", "1"}}},
      {3, {{"parallel.data", "1"}, {"parallel.pipeline", "3"}, {"parallel.stage_layers", "[2, 1, 1]"}}},
      {8, {{"parallel.data", "2"}, {"parallel.tensor", "4"}, {"parallel.zero_stage", "2"}}},
      {8,
       {{"parallel.data", "2"},
        {"parallel.pipeline", "2"},
        {"parallel.tensor", "2"},
        {"parallel.schedule", "interleaved"},
        {"parallel.zero_stage", "3"}}},
      {4, {{"parallel.data", "2"}, {"parallel.context", "2"}, {"parallel.zero_stage", "3"}}},
      {8,
       {{"parallel.data", "4"},
        {"parallel.tensor", "2"},
        {"parallel.zero_stage", "3"},
        {"parallel.shard", "2"}}},
  };
  if (model == "moe") {
    all.push_back({4, {{"parallel.data", "4"}, {"parallel.expert", "4"}}});
    all.push_back({8,
                   {{"parallel.data", "4"},
                    {"parallel.expert", "2"},
                    {"parallel.tensor", "2"},
                    {"parallel.zero_stage", "3"}}});
  }
  std::vector<DrawnLayout> layouts;
  for (auto& [ranks, choices] : all) {
    choices["model"] = model;
    choices["optimizer.kind"] = optimizer;
    choices["run.micro_batch"] = "1";
    layouts.push_back({choices, ranks});
  }
  return layouts;
}

class Reshard : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { write_shard(folder_ / "shard"); }

  trainer::Run run_of(const DrawnLayout& layout) const {
    return configured(layout, folder_ / "shard", GetParam().compute, 2);
  }

  // Two steps under the layout, saved.
  std::filesystem::path save(const DrawnLayout& layout, size_t number) const {
    trainer::Run config = run_of(layout);
    std::filesystem::path target = folder_ / ("saved " + std::to_string(number));
    parallel::run_ranks(layout.ranks, [&](parallel::Group& world) {
      trainer::Assembly assembly(config, world, at::kCPU);
      trainer::initialise(assembly.step().pieces(), config.run().seed());
      assembly.step().refresh_values();
      const parallel::Group& data = assembly.mesh().data();
      data::Loader rows(config.data(), trainer::rows_shape(config, data.rank().value(), data.size()),
                        data::Split::kTrain);
      trainer::Breakdown breakdown;
      for (int64_t s = 0; s < 2; ++s) {
        assembly.step().run(Step(s), rows.batch(s), config.run().micro_batch(), trainer::next_token_loss(24),
                            breakdown);
      }
      trainer::CheckpointWriter writer(target, world, {});
      trainer::Manifest header;
      header.set_step(2);
      *header.mutable_config() = config;
      trainer::record_counters(assembly.step(), trainer::Guard(3, 0), header);
      writer.begin(header, trainer::training_state(assembly.step()), {});
      writer.finish();
    });
    return target;
  }

  // Every tensor of the checkpoint as the layout's ranks hold it after loading, put together.
  std::map<std::string, at::Tensor> load(const std::filesystem::path& saved,
                                         const DrawnLayout& layout) const {
    trainer::Run config = run_of(layout);
    std::map<std::string, at::Tensor> wholes;
    parallel::run_ranks(layout.ranks, [&](parallel::Group& world) {
      trainer::Assembly assembly(config, world, at::kCPU);
      trainer::CheckpointReader reader(saved);
      trainer::restore_training(reader, assembly.step());
      assembly.step().refresh_values();
      auto gathered = trainer::gather_state(world, trainer::training_state(assembly.step()));
      if (world.rank() == Rank(0)) wholes = std::move(gathered);
    });
    return wholes;
  }

  data::ScratchFolder folder_;
};

TEST_P(Reshard, EveryPairHoldsTheSameBits) {
  std::vector<DrawnLayout> layouts = layouts_of(GetParam().model, GetParam().optimizer);
  for (size_t from = 0; from < layouts.size(); ++from) {
    std::filesystem::path saved = save(layouts[from], from);
    trainer::CheckpointReader reader(saved);
    EXPECT_EQ(reader.verify(), std::vector<std::string>());
    for (size_t to = 0; to < layouts.size(); ++to) {
      auto wholes = load(saved, layouts[to]);
      EXPECT_EQ(wholes.size(), reader.tensors().size());
      for (const auto& [name, whole] : wholes) {
        EXPECT_TRUE(at::equal(whole, reader.read_whole(name)))
            << name << " from " << layouts[from].name() << " to " << layouts[to].name();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Reshard,
                         testing::Values(Case{"llama", "bf16", "adamw"}, Case{"gpt2", "fp32", "adafactor"},
                                         Case{"qwen", "fp32", "adamw"}, Case{"moe", "bf16", "muon"}),
                         [](const auto& named) {
                           return named.param.model + "_" + named.param.compute + "_" + named.param.optimizer;
                         });

}  // namespace
}  // namespace sextant::parity::reshard_test
