#include "trainer/checkpoint/range_boxes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "trainer/checkpoint/box.h"

namespace sextant::trainer::range_boxes_test {
namespace {

using Shape = std::vector<int64_t>;

// Every range of every shape: its boxes, read one after the other, are the range.
TEST(RangeBoxes, AreTheRangeInOrder) {
  for (const Shape& shape : {Shape{}, {7}, {3, 5}, {1, 6}, {6, 1}, {2, 3, 4}, {3, 1, 2, 2}}) {
    int64_t count = parallel::Slice{{}, shape}.elements();
    at::Tensor numbers = at::arange(count, at::kLong).view(shape);
    for (int64_t begin = 0; begin <= count; ++begin) {
      for (int64_t end = begin; end <= count; ++end) {
        int64_t next = begin;
        auto boxes = range_boxes(shape, begin, end);
        EXPECT_LE(boxes.size(), shape.empty() ? 1 : 2 * shape.size() - 1);
        for (const parallel::Slice& box : boxes) {
          ASSERT_EQ(box.shape.size(), shape.size());
          at::Tensor part = numbers;
          for (size_t d = 0; d < shape.size(); ++d) {
            part = part.narrow(static_cast<int64_t>(d), box.offset[d], box.shape[d]);
          }
          at::Tensor wanted = at::arange(next, next + box.elements(), at::kLong);
          EXPECT_TRUE(at::equal(part.reshape({-1}), wanted))
              << shape_text(shape) << " " << begin << " " << end;
          next += box.elements();
        }
        EXPECT_EQ(next, end);
      }
    }
  }
}

TEST(RangeBoxes, TheWholeIsOneBox) {
  auto boxes = range_boxes({4, 6, 2}, 0, 48);
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_EQ(boxes[0].shape, (Shape{4, 6, 2}));
  EXPECT_TRUE(range_boxes({4, 6}, 5, 5).empty());
}

}  // namespace
}  // namespace sextant::trainer::range_boxes_test
