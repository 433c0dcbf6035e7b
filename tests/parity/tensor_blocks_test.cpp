// numerics.tensor_blocks: layouts with any number of tensor ranks end with the weights of one rank, bit for
// bit.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/data/scratch_folder.h"
#include "tests/parity/parity_run.h"
#include "trainer/verification.h"

namespace sextant::parity::tensor_blocks_test {
namespace {

constexpr int64_t kSteps = 4;

struct Case {
  std::string model, compute, recompute;
  int64_t blocks;

  std::string name() const { return fmt::format("{}_{}_{}_{}", model, compute, recompute, blocks); }
  friend void PrintTo(const Case& which, std::ostream* out) { *out << which.name(); }
};

using Choices = std::map<std::string, std::string>;

class TensorBlocks : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { write_shard(folder_ / "shard"); }

  trainer::Trace trace(int64_t ranks, Choices choices) const {
    choices["model"] = GetParam().model;
    choices["run.micro_batch"] = "2";
    choices["numerics.reduction"] = "reproducible";
    choices["numerics.recompute"] = GetParam().recompute;
    if (GetParam().blocks > 1) choices["numerics.tensor_blocks"] = std::to_string(GetParam().blocks);
    trainer::Run run = configured({choices, ranks}, folder_ / "shard", GetParam().compute, kSteps);
    trainer::Trace found;
    parallel::run_ranks(ranks, [&](parallel::Group& world) {
      trainer::Trace mine = trainer::trace_run(run, world, at::kCPU, kSteps);
      if (world.rank() == Rank(0)) found = std::move(mine);
    });
    return found;
  }

  data::ScratchFolder folder_;
};

const std::vector<std::pair<int64_t, Choices>>& layouts() {
  static const std::vector<std::pair<int64_t, Choices>> all = {
      {2, {{"parallel.tensor", "2"}}},
      {4, {{"parallel.tensor", "4"}}},
      {4, {{"parallel.tensor", "2"}, {"parallel.data", "2"}, {"parallel.zero_stage", "3"}}},
      {8, {{"parallel.tensor", "4"}, {"parallel.pipeline", "2"}, {"parallel.schedule", "zero_bubble"}}},
      {2, {{"parallel.data", "2"}, {"parallel.zero_stage", "2"}}},
  };
  return all;
}

TEST_P(TensorBlocks, AnyNumberOfRanksEndsWithTheSameBits) {
  trainer::Trace one = trace(1, {});
  for (const auto& [ranks, choices] : layouts()) {
    trainer::Trace other = trace(ranks, choices);
    std::string what = fmt::format("{} ranks", ranks);
    for (const auto& [key, value] : choices) what += " " + key + "=" + value;
    EXPECT_EQ(other.losses, one.losses) << what;
    EXPECT_EQ(other.grad_norms, one.grad_norms) << what;
    for (const auto& [name, weight] : one.after)
      EXPECT_TRUE(at::equal(other.after.at(name), weight)) << what << ": " << name;
  }
}

// The blocks are another order of the same sums.
TEST_P(TensorBlocks, AreTheSameMathematics) {
  trainer::Trace blocks = trace(1, {});
  Case which = GetParam();
  trainer::Run run = configured({{{"model", which.model},
                                  {"run.micro_batch", "2"},
                                  {"numerics.reduction", "reproducible"},
                                  {"numerics.recompute", which.recompute}},
                                 1},
                                folder_ / "shard", which.compute, kSteps);
  auto alone = parallel::single_rank_group();
  trainer::Trace whole = trainer::trace_run(run, *alone, at::kCPU, kSteps);
  double bound = which.compute == "fp64" ? 1e-10 : which.compute == "fp32" ? 1e-5 : 1e-2;
  for (size_t s = 0; s < whole.losses.size(); ++s)
    EXPECT_NEAR(blocks.losses[s], whole.losses[s], bound * whole.losses[s]) << "step " << s;
}

INSTANTIATE_TEST_SUITE_P(Models, TensorBlocks,
                         testing::Values(Case{"llama", "fp32", "none", 4}, Case{"llama", "bf16", "none", 4},
                                         Case{"llama", "fp64", "full", 4},
                                         Case{"gpt2", "fp32", "selective", 8},
                                         Case{"gpt2", "bf16", "none", 4}, Case{"qwen4", "fp32", "none", 4},
                                         Case{"qwen4", "bf16", "full", 4}),
                         [](const auto& which) { return which.param.name(); });

}  // namespace
}  // namespace sextant::parity::tensor_blocks_test
