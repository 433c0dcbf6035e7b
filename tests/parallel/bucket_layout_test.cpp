#include "parallel/bucket_layout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace sextant::parallel::bucket_layout_test {
namespace {

FlatTensor flat(std::vector<int64_t> shape, size_t set = 0, int64_t ranks = 1, int64_t unit = 0) {
  FlatTensor tensor;
  tensor.shape = std::move(shape);
  tensor.set = set;
  tensor.ranks = ranks;
  tensor.unit = unit;
  return tensor;
}

TEST(BucketLayout, FillsInReverseAndClosesAtItsSize) {
  // 1024 bytes each; a bucket is closed once it has reached 2000.
  BucketLayout layout(std::vector<FlatTensor>(5, flat({16, 16})), 2000);
  ASSERT_EQ(layout.count(), 3u);
  EXPECT_EQ(layout.tensors_of(0), (std::vector<size_t>{4, 3}));
  EXPECT_EQ(layout.tensors_of(1), (std::vector<size_t>{2, 1}));
  EXPECT_EQ(layout.tensors_of(2), (std::vector<size_t>{0}));
  EXPECT_EQ(layout.bucket_of(1), 1u);
  EXPECT_EQ(layout.elements(0), 512);
}

TEST(BucketLayout, ViewsDoNotTouchAndStartOnCacheLines) {
  BucketLayout layout({flat({3, 5}), flat({7}), flat({}), flat({2, 2, 2})}, 1 << 20);
  ASSERT_EQ(layout.count(), 1u);
  at::Tensor buffer = at::zeros({layout.elements(0)});
  for (size_t i = 0; i < 4; ++i) {
    at::Tensor view = layout.view(buffer, i);
    EXPECT_EQ(layout.range_of(i).begin % BucketLayout::kAlignment, 0);
    view.fill_(static_cast<double>(i + 1));
  }
  EXPECT_EQ(layout.view(buffer, 0).sizes(), at::IntArrayRef({3, 5}));
  EXPECT_EQ(layout.view(buffer, 2).dim(), 0);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(layout.view(buffer, i).eq(static_cast<double>(i + 1)).all().item<bool>());
  }
  EXPECT_EQ(buffer.sum().item<double>(), 15.0 * 1 + 7.0 * 2 + 3.0 + 8.0 * 4) << "padding stays zero";
}

TEST(BucketLayout, OneTypeABucket) {
  std::vector<FlatTensor> tensors(3, flat({4}));
  tensors[1].type = at::kDouble;
  BucketLayout layout(tensors, 1 << 20);
  ASSERT_EQ(layout.count(), 2u);
  EXPECT_EQ(layout.tensors_of(0), (std::vector<size_t>{2, 0}));
  EXPECT_EQ(layout.type(1), at::kDouble);
}

// Ranks that hold other sets besides must come to the same buckets of this one.
TEST(BucketLayout, ASetsBucketsDependOnItAlone) {
  std::vector<FlatTensor> mixed, alone;
  for (int64_t i = 0; i < 9; ++i) {
    bool first = i % 3 != 1;
    mixed.push_back(flat({40 + i}, first ? 0 : 1, first ? 4 : 2));
    if (first) alone.push_back(mixed.back());
  }
  BucketLayout with_others(mixed, 600), without(alone, 600);
  std::vector<int64_t> elements[2];
  for (size_t b = 0; b < with_others.count(); ++b) {
    if (with_others.set_of(b) == 0) elements[0].push_back(with_others.elements(b));
  }
  for (size_t b = 0; b < without.count(); ++b) elements[1].push_back(without.elements(b));
  EXPECT_EQ(elements[0], elements[1]);
  EXPECT_GT(elements[0].size(), 1u);
}

TEST(BucketLayout, RanksOwnEqualRangesThatCoverIt) {
  for (int64_t ranks : {1, 2, 3, 4, 7}) {
    BucketLayout layout({flat({33}, 0, ranks), flat({5, 5}, 0, ranks), flat({1}, 0, ranks)}, 1 << 20);
    std::vector<int64_t> covered(3, 0);
    int64_t end = 0;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      Range own = layout.owned(0, rank);
      EXPECT_EQ(own.begin, end);
      EXPECT_EQ(own.elements() % BucketLayout::kAlignment, 0);
      end = own.end;
      for (size_t i = 0; i < 3; ++i) {
        Range part = layout.part_of(i, own);
        EXPECT_TRUE(part.elements() == 0 || part.begin == covered[i]);
        covered[i] += part.elements();
      }
    }
    EXPECT_EQ(end, layout.elements(0));
    EXPECT_EQ(covered, (std::vector<int64_t>{33, 25, 1})) << ranks << " ranks";
  }
}

TEST(BucketLayout, AUnitIsOneBucketHoweverLarge) {
  std::vector<FlatTensor> tensors;
  for (int64_t unit : {0, 1, 1, 1, 2}) tensors.push_back(flat({1000}, 0, 2, unit));
  BucketLayout layout(tensors, 64, BucketEnd::kUnit);
  ASSERT_EQ(layout.count(), 3u);
  EXPECT_EQ(layout.tensors_of(1), (std::vector<size_t>{3, 2, 1}));
  EXPECT_EQ(layout.unit_of(1), 1);
}

TEST(BucketLayout, ATensorLargerThanABucketStandsAlone) {
  BucketLayout layout({flat({8}), flat({1000}), flat({1000})}, 100);
  ASSERT_EQ(layout.count(), 3u);
  EXPECT_EQ(layout.elements(0), 1024) << "rounded up to whole cache lines";
}

TEST(BucketLayout, NothingIsNoBuckets) {
  EXPECT_EQ(BucketLayout({}, 1000).count(), 0u);
}

TEST(BucketLayout, ASetHasOneSize) {
  EXPECT_THROW(BucketLayout({flat({8}, 0, 2), flat({8}, 0, 3)}, 1000), std::logic_error);
}

}  // namespace
}  // namespace sextant::parallel::bucket_layout_test
