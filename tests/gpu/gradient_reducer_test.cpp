#include "parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_nccl.h"
#include "tests/gpu/rank_device.h"

// Gradients summed under a backward that runs on the GPU, where autograd calls hooks on a thread of its own.
namespace sextant::parallel {
namespace {

constexpr int64_t kLeaves = 12, kRows = 4, kWidth = 256, kMicrobatches = 3, kSteps = 3;

std::vector<at::Tensor> make_leaves() {
  std::vector<at::Tensor> leaves;
  for (int64_t i = 0; i < kLeaves; ++i) {
    at::Tensor value = at::zeros({kWidth, kWidth}, at::TensorOptions(at::kCUDA).dtype(at::kBFloat16));
    leaves.push_back(value.requires_grad_(true));
  }
  return leaves;
}

// What leaf i is multiplied with: small whole numbers, which bfloat16 holds exactly.
double input_value(int64_t leaf, int64_t microbatch, int64_t rank) {
  return static_cast<double>(1 + (leaf + 2 * microbatch + 3 * rank) % 5);
}

// The loss is the sum of x_i W_i, so each element of W_i gets the sum of x_i's rows.
void run_microbatch(const std::vector<at::Tensor>& leaves, int64_t microbatch, int64_t rank) {
  at::Tensor loss = at::zeros({}, at::TensorOptions(at::kCUDA).dtype(at::kFloat));
  for (int64_t i = 0; i < kLeaves; ++i) {
    const at::Tensor& weight = leaves[static_cast<size_t>(i)];
    at::Tensor x = at::full({kRows, kWidth}, input_value(i, microbatch, rank), weight.options());
    loss = loss + x.mm(weight).sum().to(at::kFloat);
  }
  loss.backward();
}

void check_sums(Group& group, const SumRules& rules) {
  const std::vector<at::Tensor> leaves = make_leaves();
  std::vector<HeldTensor> held;
  for (int64_t i = 0; i < kLeaves; ++i) held.push_back({std::to_string(i), {{0, 0}, {kWidth, kWidth}}});
  Holders holders(group, held);
  FlatTensor place;
  place.shape = {kWidth, kWidth};
  place.device = leaves[0].device();
  place.ranks = group.size();
  // Two leaves a bucket, so that buckets start at different times.
  BucketLayout layout(std::vector<FlatTensor>(kLeaves, place), 2 * kWidth * kWidth * 4);
  GradientReducer reducer(leaves, layout, holders, rules);
  for (int64_t step = 0; step < kSteps; ++step) {
    reducer.begin_step(kMicrobatches);
    for (int64_t m = 0; m < kMicrobatches; ++m) run_microbatch(leaves, m, group.rank().value());
    reducer.finish();
    for (int64_t i = 0; i < kLeaves; ++i) {
      double wanted = 0;
      for (int64_t m = 0; m < kMicrobatches; ++m)
        for (int64_t r = 0; r < group.size(); ++r) wanted += kRows * input_value(i, m, r);
      auto leaf = static_cast<size_t>(i);
      const at::Tensor& sums = reducer.gradient(layout.bucket_of(leaf));
      EXPECT_TRUE(sums.is_cuda());
      Range range = reducer.range(layout.bucket_of(leaf)), part = layout.part_of(leaf, range);
      if (part.elements() == 0) continue;
      at::Tensor here =
          sums.narrow(0, layout.range_of(leaf).begin + part.begin - range.begin, part.elements());
      EXPECT_TRUE(here.eq(wanted).all().item<bool>()) << "step " << step << ", leaf " << i;
    }
  }
}

void check_all_sums(Group& group) {
  for (auto memory : {GradientMemory::kWhole, GradientMemory::kOwnedAfterwards, GradientMemory::kOwned}) {
    for (auto reduction : {Reduction::kFast, Reduction::kReproducible})
      check_sums(group, {memory, reduction, FixedPoint{8}, {}});
  }
}

TEST(ReducerRanks, StagedThroughTheHost) {
  choose_device();
  auto world = session().world();
  check_all_sums(*world);
}

TEST(NcclReducer, OnTheDevice) {
  ASSERT_TRUE(choose_device()) << "run this suite with a GPU for each rank";
  auto world = session().world();
  auto group = nccl_group(*world, session().watchdog());
  check_all_sums(*group);
}

}  // namespace
}  // namespace sextant::parallel
