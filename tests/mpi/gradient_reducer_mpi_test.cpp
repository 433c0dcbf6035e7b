#include "parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/mpi/session.h"

namespace sextant::parallel::gradient_reducer_mpi_test {
namespace {

// Whole numbers: the sum over ranks and microbatches is exact.
void check_sums(const SumRules& rules) {
  auto world = session().world();
  std::vector<at::Tensor> values;
  std::vector<HeldTensor> held;
  for (int64_t i = 0; i < 12; ++i) {
    values.push_back(at::ones({5000 + i}).requires_grad_(true));
    held.push_back({std::to_string(i), {{0}, {5000 + i}}});
  }
  Holders holders(*world, held);
  std::vector<FlatTensor> places(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    places[i].shape = values[i].sizes().vec();
    places[i].ranks = world->size();
  }
  BucketLayout layout(places, 40000);
  ASSERT_GT(layout.count(), 3u);
  GradientReducer reducer(values, layout, holders, rules);

  int64_t n = world->size(), me = world->rank().value();
  auto buckets = static_cast<int64_t>(layout.count());
  for (int step = 0; step < 3; ++step) {
    reducer.begin_step(2);
    for (int m = 0; m < 2; ++m) {
      at::Tensor loss = at::zeros({});
      for (size_t i = 0; i < values.size(); ++i) {
        loss = loss + (values[i] * static_cast<double>(me + m + static_cast<int64_t>(i))).sum();
      }
      loss.backward();
    }
    bool each = rules.memory == GradientMemory::kOwned;
    int64_t under_backward = n == 1 ? 0 : each ? 2 * buckets : buckets;
    EXPECT_EQ(reducer.started(), under_backward) << "step " << step;
    reducer.finish();
    for (size_t i = 0; i < values.size(); ++i) {
      size_t bucket = layout.bucket_of(i);
      Range range = reducer.range(bucket), part = layout.part_of(i, range);
      if (part.elements() == 0) continue;
      at::Tensor sums = reducer.gradient(bucket).narrow(
          0, layout.range_of(i).begin + part.begin - range.begin, part.elements());
      auto wanted = static_cast<double>(n * (n - 1) + n * (1 + 2 * static_cast<int64_t>(i)));
      EXPECT_TRUE(sums.eq(wanted).all().item<bool>()) << "rank " << me << " leaf " << i;
    }
  }
}

TEST(ReducerMpi, GradientsAreSummedUnderBackward) {
  for (auto memory : {GradientMemory::kWhole, GradientMemory::kOwnedAfterwards, GradientMemory::kOwned}) {
    for (auto reduction : {Reduction::kFast, Reduction::kReproducible}) {
      check_sums({memory, reduction, FixedPoint{8}, {}});
    }
  }
}

}  // namespace
}  // namespace sextant::parallel::gradient_reducer_mpi_test
