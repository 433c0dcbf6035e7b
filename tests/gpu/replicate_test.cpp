#include "parallel/replicate.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_nccl.h"
#include "tests/gpu/rank_device.h"

// Gradients summed under a backward that runs on the GPU, where autograd calls hooks on a thread of its own.
namespace sextant::parallel {
namespace {

constexpr int64_t kLeaves = 12, kRows = 4, kWidth = 256, kMicrobatches = 3, kSteps = 3;

std::vector<TrainedLeaf> make_leaves() {
  std::vector<TrainedLeaf> leaves;
  for (int64_t i = 0; i < kLeaves; ++i) {
    at::Tensor value = at::zeros({kWidth, kWidth}, at::TensorOptions(at::kCUDA).dtype(at::kBFloat16));
    leaves.push_back({value.requires_grad_(true), at::kFloat});
  }
  return leaves;
}

// What leaf i is multiplied with: small whole numbers, which bfloat16 holds exactly.
double input_value(int64_t leaf, int64_t microbatch, int64_t rank) {
  return static_cast<double>(1 + (leaf + 2 * microbatch + 3 * rank) % 5);
}

// The loss is the sum of x_i W_i, so each element of W_i gets the sum of x_i's rows.
void run_microbatch(const std::vector<TrainedLeaf>& leaves, int64_t microbatch, int64_t rank) {
  at::Tensor loss = at::zeros({}, at::TensorOptions(at::kCUDA).dtype(at::kFloat));
  for (int64_t i = 0; i < kLeaves; ++i) {
    const at::Tensor& weight = leaves[static_cast<size_t>(i)].value;
    at::Tensor x = at::full({kRows, kWidth}, input_value(i, microbatch, rank), weight.options());
    loss = loss + x.mm(weight).sum().to(at::kFloat);
  }
  loss.backward();
}

void check_sums(Group& group) {
  const std::vector<TrainedLeaf> leaves = make_leaves();
  // Two leaves a bucket, so that buckets start at different times.
  GradientReducer reducer(leaves, 2 * kWidth * kWidth * 4, group);
  for (int64_t step = 0; step < kSteps; ++step) {
    for (int64_t m = 0; m < kMicrobatches; ++m) {
      reducer.begin(m + 1 < kMicrobatches ? Microbatch::kEarlier : Microbatch::kLast);
      run_microbatch(leaves, m, group.rank().value());
    }
    reducer.finish();
    for (int64_t i = 0; i < kLeaves; ++i) {
      double wanted = 0;
      for (int64_t m = 0; m < kMicrobatches; ++m)
        for (int64_t r = 0; r < group.size(); ++r) wanted += kRows * input_value(i, m, r);
      const at::Tensor& gradient = reducer.gradient(static_cast<size_t>(i));
      EXPECT_TRUE(gradient.is_cuda());
      EXPECT_TRUE(gradient.eq(wanted).all().item<bool>()) << "step " << step << ", leaf " << i;
    }
  }
}

TEST(ReplicateRanks, StagedThroughTheHost) {
  choose_device();
  auto world = session().world();
  check_sums(*world);
}

TEST(NcclReplicate, OnTheDevice) {
  ASSERT_TRUE(choose_device()) << "run this suite with a GPU for each rank";
  auto world = session().world();
  auto group = nccl_group(*world, session().watchdog());
  check_sums(*group);
}

}  // namespace
}  // namespace sextant::parallel
