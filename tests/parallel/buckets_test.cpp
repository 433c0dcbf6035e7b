#include "parallel/buckets.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sextant::parallel {
namespace {

TrainedLeaf leaf(std::vector<int64_t> shape, at::ScalarType type = at::kFloat,
                 at::ScalarType sum = at::kFloat) {
  return {at::zeros(shape, at::TensorOptions(type)).requires_grad_(true), sum};
}

TEST(GradientBuckets, FillInReverseAndCloseAtTheirSize) {
  // 1024 bytes each; a bucket is closed once it has reached 2000.
  std::vector<TrainedLeaf> leaves;
  for (int i = 0; i < 5; ++i) leaves.push_back(leaf({16, 16}));
  GradientBuckets buckets(leaves, 2000);
  ASSERT_EQ(buckets.count(), 3u);
  EXPECT_EQ(buckets.leaves_of(0), (std::vector<size_t>{4, 3}));
  EXPECT_EQ(buckets.leaves_of(1), (std::vector<size_t>{2, 1}));
  EXPECT_EQ(buckets.leaves_of(2), (std::vector<size_t>{0}));
  EXPECT_EQ(buckets.bucket_of(1), 1u);
  EXPECT_EQ(buckets.flat(0).numel(), 512);
}

TEST(GradientBuckets, GradientsAreViewsThatDoNotTouch) {
  std::vector<TrainedLeaf> leaves = {leaf({3, 5}), leaf({7}), leaf({}), leaf({2, 2, 2})};
  GradientBuckets buckets(leaves, 1 << 20);
  ASSERT_EQ(buckets.count(), 1u);
  for (size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_EQ(buckets.gradient(i).sizes(), leaves[i].value.sizes());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buckets.gradient(i).data_ptr()) % 64, 0u);
    buckets.gradient(i).fill_(static_cast<double>(i + 1));
  }
  for (size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_TRUE(buckets.gradient(i).eq(static_cast<double>(i + 1)).all().item<bool>());
  }
  EXPECT_EQ(buckets.flat(0).sum().item<double>(), 15.0 * 1 + 7.0 * 2 + 3.0 + 8.0 * 4) << "padding stays zero";
}

TEST(GradientBuckets, OneTypeABucketAndTheMastersType) {
  std::vector<TrainedLeaf> leaves = {leaf({4}, at::kBFloat16), leaf({4}, at::kDouble, at::kDouble),
                                     leaf({4}, at::kBFloat16)};
  GradientBuckets buckets(leaves, 1 << 20);
  ASSERT_EQ(buckets.count(), 3u);
  EXPECT_EQ(buckets.gradient(0).scalar_type(), at::kFloat);
  EXPECT_EQ(buckets.gradient(1).scalar_type(), at::kDouble);
  EXPECT_FALSE(buckets.gradient(0).requires_grad());
}

TEST(GradientBuckets, ALeafLargerThanABucketStandsAlone) {
  std::vector<TrainedLeaf> leaves = {leaf({8}), leaf({1000}), leaf({1000})};
  GradientBuckets buckets(leaves, 100);
  ASSERT_EQ(buckets.count(), 3u);
  EXPECT_EQ(buckets.flat(0).numel(), 1008) << "rounded up to whole cache lines";
}

TEST(GradientBuckets, NoLeavesNoBuckets) {
  EXPECT_EQ(GradientBuckets({}, 1000).count(), 0u);
}

TEST(GradientBuckets, OnlyLeavesThatWantAGradient) {
  EXPECT_THROW(GradientBuckets({{at::zeros({2}), at::kFloat}}, 1000), std::logic_error);
}

}  // namespace
}  // namespace sextant::parallel
