#include "trainer/checkpoint/gather.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/group_threads.h"
#include "tests/trainer/checkpoint/state.h"

namespace sextant::trainer::testing::gather_test {
namespace {

TEST(GatherState, BringsWholeTensorsToRankZero) {
  for (Cut cut : {Cut::kNone, Cut::kDim0, Cut::kDim1}) {
    for (int64_t ranks : {1, 2, 4}) {
      parallel::run_ranks(ranks, [&](parallel::Group& world) {
        auto wholes = gather_state(world, cut_state(small_state(), cut, world.rank().value(), ranks));
        if (world.rank() != Rank(0)) {
          EXPECT_TRUE(wholes.empty());
          return;
        }
        ASSERT_EQ(wholes.size(), small_state().size());
        for (const Whole& whole : small_state()) {
          EXPECT_TRUE(at::equal(wholes.at(whole.name), whole_tensor(whole))) << whole.name;
        }
      });
    }
  }
}

TEST(GatherState, RefusesATensorThatIsNotCovered) {
  parallel::run_ranks(2, [&](parallel::Group& world) {
    auto half = cut_state(small_state(), Cut::kDim0, 0, 2);
    EXPECT_THROW(gather_state(world, half), std::logic_error);
  });
}

}  // namespace
}  // namespace sextant::trainer::testing::gather_test
