// Rows reach the owners of their experts, come back where they were, and so do their gradients.
#include "parallel/expert_dispatch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"

namespace sextant::parallel::expert_dispatch_test {
namespace {

constexpr int64_t kExperts = 4;

// Uneven on purpose: rank r has (3 r + 2 e) % 5 rows for expert e, some ranks none.
std::vector<int64_t> counts_of(int64_t rank) {
  std::vector<int64_t> counts;
  for (int64_t e = 0; e < kExperts; ++e) counts.push_back(rank == 1 ? 0 : (3 * rank + 2 * e) % 5);
  return counts;
}

// A row tells where it comes from: [rank, expert, place among the rank's rows for that expert].
at::Tensor rows_of(int64_t rank) {
  std::vector<double> numbers;
  auto counts = counts_of(rank);
  for (int64_t e = 0; e < kExperts; ++e) {
    for (int64_t i = 0; i < counts[static_cast<size_t>(e)]; ++i) {
      for (int64_t number : {rank, e, i}) numbers.push_back(static_cast<double>(number));
    }
  }
  return at::tensor(numbers, at::kDouble).view({-1, 3});
}

class ExpertDispatchOn : public testing::TestWithParam<int64_t> {};

TEST_P(ExpertDispatchOn, OwnersGetTheirExpertsRowsInOrder) {
  int64_t ranks = GetParam();
  run_ranks(ranks, [&](Group& group) {
    int64_t me = group.rank().value(), own = kExperts / ranks;
    ExpertDispatch dispatch(group, at::tensor(counts_of(me), at::kLong));
    at::Tensor came = dispatch.to_owners(rows_of(me));
    std::vector<double> expected;
    std::vector<int64_t> received;
    for (int64_t e = me * own; e < (me + 1) * own; ++e) {
      received.push_back(0);
      for (int64_t from = 0; from < ranks; ++from) {
        int64_t count = counts_of(from)[static_cast<size_t>(e)];
        received.back() += count;
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t number : {from, e, i}) expected.push_back(static_cast<double>(number));
        }
      }
    }
    EXPECT_EQ(dispatch.received(), received);
    EXPECT_TRUE(at::equal(came, at::tensor(expected, at::kDouble).view({-1, 3})));
    EXPECT_TRUE(at::equal(dispatch.from_owners(came), rows_of(me)));
  });
}

// The owner multiplies rows by its expert's number + 1: the loss is known, and so is its gradient.
TEST_P(ExpertDispatchOn, GradientsTravelBack) {
  run_ranks(GetParam(), [&](Group& group) {
    int64_t me = group.rank().value();
    ExpertDispatch dispatch(group, at::tensor(counts_of(me), at::kLong));
    at::Tensor rows = rows_of(me).requires_grad_(true);
    at::Tensor came = dispatch.to_owners(rows);
    at::Tensor factor = came.detach().narrow(1, 1, 1) + 1;
    at::Tensor back = dispatch.from_owners(came * factor);
    at::Tensor weights = at::arange(rows.numel(), at::kDouble).view(rows.sizes()) + 0.5;
    (back * weights).sum().backward();
    at::Tensor expected = weights * (rows.detach().narrow(1, 1, 1) + 1);
    EXPECT_TRUE(at::equal(rows.grad(), expected));
  });
}

TEST_P(ExpertDispatchOn, NoRowsAnywhere) {
  run_ranks(GetParam(), [&](Group& group) {
    ExpertDispatch dispatch(group, at::zeros({kExperts}, at::kLong));
    EXPECT_EQ(dispatch.to_owners(at::empty({0, 3}, at::kDouble)).size(0), 0);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, ExpertDispatchOn, testing::Values(1, 2, 4));

}  // namespace
}  // namespace sextant::parallel::expert_dispatch_test
