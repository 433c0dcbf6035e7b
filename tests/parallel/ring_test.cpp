// What goes around a ring: every piece once, in the ring's order, and sums that come home.
#include "parallel/ring.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/group_threads.h"

namespace sextant::parallel::ring_test {
namespace {

class Ring : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Ranks, Ring, testing::Values(1, 2, 3, 4, 7));

at::Tensor piece_of(int64_t owner) {
  return at::full({3, 2}, owner + 1, at::kDouble);
}

TEST_P(Ring, VisitsEveryPieceFromItsOwnBackwards) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& world) {
    std::vector<int64_t> owners;
    around_ring(world, piece_of(world.rank().value()), [&](Rank owner, const at::Tensor& piece) {
      owners.push_back(owner.value());
      EXPECT_TRUE(at::equal(piece, piece_of(owner.value())));
    });
    for (int64_t step = 0; step < n; ++step) {
      EXPECT_EQ(owners[static_cast<size_t>(step)], (world.rank().value() + n - step) % n);
    }
    EXPECT_EQ(static_cast<int64_t>(owners.size()), n);
  });
}

TEST_P(Ring, SumsComeHome) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& world) {
    int64_t rank = world.rank().value();
    // Rank r adds 10^r times the owner's number; it leaves out the owner after it.
    at::Tensor sum = around_ring_summing(world, piece_of(rank), at::zeros({3, 2}, at::kDouble),
                                         [&](Rank owner, const at::Tensor& piece) -> RingAddition {
                                           EXPECT_TRUE(at::equal(piece, piece_of(owner.value())));
                                           if (n > 1 && owner.value() == (rank + 1) % n) return {};
                                           return [&, piece](const at::Tensor& owners) {
                                             owners.add_(piece, std::pow(10.0, rank));
                                           };
                                         });
    double expected = 0;
    for (int64_t r = 0; r < n; ++r) {
      if (n == 1 || (r + 1) % n != rank) expected += std::pow(10.0, r);
    }
    EXPECT_TRUE(at::equal(sum, piece_of(rank) * expected)) << sum;
  });
}

}  // namespace
}  // namespace sextant::parallel::ring_test
