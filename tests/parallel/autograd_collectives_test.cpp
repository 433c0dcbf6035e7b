// Values of the collectives along a dim, and their gradients against central differences in fp64.
#include "parallel/autograd_collectives.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "parallel/along_dim.h"
#include "parallel/group_threads.h"
#include "tests/harness/joint_differences.h"

namespace sextant::parallel::autograd_collectives_test {
namespace {

// Rank r's part: whole numbers that no other rank or place has.
at::Tensor numbered(at::IntArrayRef shape, int64_t rank) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return (at::arange(count, at::kDouble) + 1000.0 * static_cast<double>(rank)).view(shape);
}

std::vector<at::Tensor> of_all_ranks(at::IntArrayRef shape, int64_t ranks) {
  std::vector<at::Tensor> all;
  for (int64_t r = 0; r < ranks; ++r) all.push_back(numbered(shape, r));
  return all;
}

class AlongDim : public testing::TestWithParam<int64_t> {};

TEST_P(AlongDim, GatherPutsPartsSideBySide) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& group) {
    for (int64_t dim : {0, 1, 2}) {
      at::Tensor whole = gather(numbered({2, 3, 5}, group.rank().value()), dim, group);
      EXPECT_TRUE(at::equal(whole, at::cat(of_all_ranks({2, 3, 5}, n), dim))) << "dim " << dim;
    }
  });
}

TEST_P(AlongDim, ReduceScatterKeepsOnePartOfTheSum) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& group) {
    for (int64_t dim : {0, 1, 2}) {
      at::Tensor part = reduce_scatter(numbered({4, 8, 12}, group.rank().value()), dim, group);
      at::Tensor sum = at::stack(of_all_ranks({4, 8, 12}, n)).sum(0);
      at::Tensor wanted = sum.chunk(n, dim)[static_cast<size_t>(group.rank().value())];
      EXPECT_TRUE(at::equal(part, wanted)) << "dim " << dim;
    }
  });
}

TEST_P(AlongDim, AllToAllMovesTheCutFromOneDimToAnother) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& group) {
    auto mine = static_cast<size_t>(group.rank().value());
    for (int64_t split : {0, 1, 2}) {
      for (int64_t concat : {0, 1, 2}) {
        at::Tensor x = numbered({4, 8, 12}, group.rank().value());
        at::Tensor moved = all_to_all(x, split, concat, group);
        std::vector<at::Tensor> sent;
        for (const at::Tensor& other : of_all_ranks({4, 8, 12}, n))
          sent.push_back(other.chunk(n, split)[mine]);
        EXPECT_TRUE(at::equal(moved, at::cat(sent, concat))) << split << " to " << concat;
        EXPECT_TRUE(at::equal(all_to_all(moved, concat, split, group), x)) << split << " and back";
      }
    }
  });
}

TEST_P(AlongDim, SeveralMayBeUnderWay) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& group) {
    at::Tensor x = numbered({2, 4}, group.rank().value());
    Arriving first = start_gather(x, 1, group), second = start_reduce_scatter(x, 1, group);
    second.progress();
    EXPECT_TRUE(at::equal(second.take(), reduce_scattered(x, 1, group)));
    EXPECT_TRUE(at::equal(first.take(), gathered(x, 1, group)));
  });
}

TEST_P(AlongDim, HalvesAreSummedInFp32) {
  int64_t n = GetParam();
  run_ranks(n, [&](Group& group) {
    // Every rank brings 1/256 but the first, which brings 1: bfloat16 would lose each small one by itself.
    double own = group.rank() == Rank(0) ? 1.0 : 1.0 / 256;
    at::Tensor x = at::full({1, 4}, own, at::kBFloat16);
    at::Tensor wanted = at::full({1, 4 / n}, 1.0 + static_cast<double>(n - 1) / 256, at::kDouble);
    EXPECT_TRUE(at::equal(reduce_scatter(x, 1, group), wanted.to(at::kBFloat16)));
  });
}

using Collective = std::function<at::Tensor(const at::Tensor&, Group&)>;

// Each rank weighs the sines of what it got, by weights of its own.
void check_gradient(const Collective& collective, at::IntArrayRef shape, Group& group) {
  auto loss = [&](const std::vector<at::Tensor>& inputs) {
    at::Tensor y = collective(inputs[0], group);
    at::Tensor weights =
        (at::arange(y.numel(), at::kDouble) * 0.7 + static_cast<double>(group.rank().value())).cos();
    return (weights.view(y.sizes()) * at::sin(y)).sum();
  };
  at::Tensor x = numbered(shape, group.rank().value()).mul(0.37).sin();
  testing_harness::JointDifferences(loss, {{x}}, group, testing_harness::Losses::kAddUp).check();
}

TEST_P(AlongDim, GradientsAreThoseOfTheJointLoss) {
  run_ranks(GetParam(), [&](Group& group) {
    for (int64_t dim : {0, 1}) {
      check_gradient([&](const at::Tensor& x, Group& g) { return gather(x, dim, g); }, {2, 3}, group);
      check_gradient([&](const at::Tensor& x, Group& g) { return reduce_scatter(x, dim, g); }, {4, 4}, group);
    }
    for (int64_t split : {0, 1}) {
      check_gradient([&](const at::Tensor& x, Group& g) { return all_to_all(x, split, 1 - split, g); },
                     {4, 4}, group);
    }
    check_gradient([&](const at::Tensor& x, Group& g) { return all_to_all(x, 1, 1, g); }, {2, 4}, group);
  });
}

// As a column layer and a row layer use them: there and back is the sum over ranks.
TEST_P(AlongDim, GradientsGoThroughAChain) {
  run_ranks(GetParam(), [&](Group& group) {
    check_gradient(
        [](const at::Tensor& x, Group& g) {
          at::Tensor inside = gather(x, 1, g) * (1.0 + static_cast<double>(g.rank().value()));
          return reduce_scatter(at::tanh(inside), 1, g);
        },
        {2, 2, 2}, group);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, AlongDim, testing::Values(1, 2, 4),
                         [](const auto& named) { return std::to_string(named.param); });

}  // namespace
}  // namespace sextant::parallel::autograd_collectives_test
