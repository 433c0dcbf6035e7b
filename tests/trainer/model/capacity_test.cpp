// Which choices are dropped: against a plain loop, and the same however ranks cut the rows.
#include "trainer/model/capacity.h"
#include "tests/harness/seatings.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/group_threads.h"

namespace sextant::trainer::capacity_test {
namespace {

constexpr int64_t kRows = 2, kTime = 8, kChoices = 2, kExperts = 3;

at::Tensor choices() {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < kRows * kTime; ++i) {
    int64_t first = (i * i + i / 3) % kExperts;
    numbers.push_back(first);
    numbers.push_back((first + 1 + i % 2) % kExperts);
  }
  return at::tensor(numbers, at::kLong).view({kRows, kTime, kChoices});
}

// By the definition: one row after the other, tokens in their order.
at::Tensor plain(const at::Tensor& experts, const at::Tensor& order, double factor) {
  at::Tensor kept = at::zeros({kRows, kTime, kChoices}, at::kBool);
  auto limit = static_cast<int64_t>(std::ceil(factor * kTime * kChoices / kExperts));
  for (int64_t row = 0; row < kRows; ++row) {
    std::vector<int64_t> tokens(kTime), taken(kExperts);
    std::iota(tokens.begin(), tokens.end(), 0);
    std::sort(tokens.begin(), tokens.end(), [&](int64_t a, int64_t b) {
      return order[row][a].item<int64_t>() < order[row][b].item<int64_t>();
    });
    for (int64_t t : tokens) {
      for (int64_t j = 0; j < kChoices; ++j) {
        auto expert = static_cast<size_t>(experts[row][t][j].item<int64_t>());
        kept[row][t][j] = taken[expert]++ < limit;
      }
    }
  }
  return kept.view({-1, kChoices});
}

at::Tensor in_order() {
  return at::arange(kTime, at::kLong).expand({kRows, kTime});
}

TEST(Capacity, KeepsTheFirstChoicesOfEachRow) {
  for (double factor : {0.3, 0.75, 1.0, 3.0}) {
    EXPECT_TRUE(at::equal(kept_choices(choices(), in_order(), kExperts, factor, {}),
                          plain(choices(), in_order(), factor)))
        << factor;
  }
  EXPECT_FALSE(plain(choices(), in_order(), 0.75).all().item<bool>()) << "the test drops something";
}

// Two ranks share time, two the sequence; the second pair's tokens come before the first's.
TEST(Capacity, DoesNotDependOnHowRowsAreCut) {
  at::Tensor experts = choices(), order = in_order();
  at::Tensor whole = plain(experts, order, 0.75).view({kRows, kTime, kChoices});
  parallel::run_ranks(4, [&](parallel::Group& world) {
    int64_t rank = world.rank().value();
    auto tensor = world.split(parallel::neighbours(2), "tensor");
    auto context = world.split(parallel::apart_by(2), "context");
    ModelPart part;
    part.tensor = tensor.get();
    part.context = context.get();
    int64_t begin = (rank / 2 == 0 ? 4 : 0) + rank % 2 * 2;
    at::Tensor kept =
        kept_choices(experts.narrow(1, begin, 2), order.narrow(1, begin, 2), kExperts, 0.75, part);
    EXPECT_TRUE(at::equal(kept, whole.narrow(1, begin, 2).reshape({-1, kChoices}))) << "rank " << rank;
  });
}

}  // namespace
}  // namespace sextant::trainer::capacity_test
