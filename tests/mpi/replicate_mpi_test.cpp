#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/mesh.h"
#include "parallel/replicate.h"
#include "tests/mpi/session.h"

namespace sextant::parallel {
namespace {

// Whole numbers: the sum over ranks and microbatches is exact.
TEST(ReplicateMpi, GradientsAreSummedUnderBackward) {
  auto world = session().world();
  Mesh mesh(MeshSettings(), *world);
  std::vector<TrainedLeaf> leaves;
  for (int64_t i = 0; i < 12; ++i) leaves.push_back({at::ones({5000 + i}).requires_grad_(true), at::kFloat});
  GradientReducer reducer(leaves, 40000, mesh.replicas());
  ASSERT_GT(reducer.buckets().count(), 3u);

  int64_t n = world->size(), me = world->rank().value();
  for (int step = 0; step < 3; ++step) {
    for (int m = 0; m < 2; ++m) {
      reducer.begin(m == 1 ? Microbatch::kLast : Microbatch::kEarlier);
      at::Tensor loss = at::zeros({});
      for (size_t i = 0; i < leaves.size(); ++i) {
        loss = loss + (leaves[i].value * static_cast<double>(me + m + static_cast<int64_t>(i))).sum();
      }
      loss.backward();
    }
    EXPECT_EQ(reducer.started(), n == 1 ? 0 : reducer.buckets().count());
    reducer.finish();
    for (size_t i = 0; i < leaves.size(); ++i) {
      auto wanted = static_cast<double>(n * (n - 1) + n * (1 + 2 * static_cast<int64_t>(i)));
      EXPECT_TRUE(reducer.gradient(i).eq(wanted).all().item<bool>()) << "rank " << me << " leaf " << i;
    }
  }
}

}  // namespace
}  // namespace sextant::parallel
