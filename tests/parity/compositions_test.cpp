// Layouts that compose every pair of axes against one rank: ten steps each.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/data/scratch_folder.h"
#include "tests/parity/drawn_layouts.h"
#include "tests/parity/parity_run.h"
#include "trainer/verification.h"

namespace sextant::parity::compositions_test {
namespace {

constexpr int64_t kSteps = 10;
constexpr size_t kLayouts = 40;

class Compositions : public testing::TestWithParam<DrawnLayout> {
 protected:
  void SetUp() override { write_shard(folder_ / "shard"); }

  // The largest relative difference of a loss, and of a weight's movement, from one rank's.
  std::pair<double, double> worst(const std::string& compute) {
    trainer::Run run = configured(GetParam(), folder_ / "shard", compute, kSteps);
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
  EXPECT_EQ(pairs_missed(kLayouts), 0u);
}

}  // namespace
}  // namespace sextant::parity::compositions_test
