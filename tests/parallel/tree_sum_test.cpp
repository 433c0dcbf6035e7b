#include "parallel/tree_sum.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "parallel/along_dim.h"
#include "parallel/group_threads.h"

namespace sextant::parallel::tree_sum_test {
namespace {

// Numbers whose sum depends on its order.
std::vector<at::Tensor> parts_of(size_t count) {
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < count; ++i)
    parts.push_back(at::sin(at::arange(64, at::kFloat) * (1.7 + static_cast<double>(i))) *
                    (i % 3 == 0 ? 1e4 : 1));
  return parts;
}

TEST(TreeSum, PairsOfNeighboursFirst) {
  auto p = parts_of(4);
  EXPECT_TRUE(at::equal(tree_sum(p), (p[0] + p[1]) + (p[2] + p[3])));
  EXPECT_FALSE(at::equal(tree_sum(p), ((p[0] + p[1]) + p[2]) + p[3])) << "the numbers show no order";
  EXPECT_TRUE(at::equal(tree_sum({p[0]}), p[0]));
}

TEST(TreeSum, RunsOfNeighboursMayBeSummedApart) {
  auto p = parts_of(8);
  at::Tensor whole = tree_sum(p);
  for (size_t run : {2, 4}) {
    std::vector<at::Tensor> sums;
    for (size_t i = 0; i < p.size(); i += run)
      sums.push_back(
          tree_sum({p.begin() + static_cast<int64_t>(i), p.begin() + static_cast<int64_t>(i + run)}));
    EXPECT_TRUE(at::equal(tree_sum(sums), whole));
  }
}

TEST(TreeSum, OfThreeIsABug) {
  EXPECT_THROW(tree_sum(parts_of(3)), std::logic_error);
}

TEST(TreeSum, BetweenRanksIsTheSame) {
  auto p = parts_of(4);
  at::Tensor whole = tree_sum(p);
  run_ranks(4, [&](Group& group) {
    auto me = static_cast<size_t>(group.rank().value());
    at::Tensor own = reduce_scattered(p[me], 0, group, SumOrder::kTree);
    EXPECT_TRUE(at::equal(own, whole.narrow(0, static_cast<int64_t>(16 * me), 16)));
  });
}

}  // namespace
}  // namespace sextant::parallel::tree_sum_test
