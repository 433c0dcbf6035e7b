#include "trainer/checkpoint/range_boxes.h"

#include <algorithm>

namespace sextant::trainer {
namespace {

// Appends the boxes of [begin, end) within the dims from `dim` on; `box` holds the dims before.
void add_range_boxes(const std::vector<int64_t>& shape, size_t dim, int64_t begin, int64_t end,
                     parallel::Slice box, std::vector<parallel::Slice>& boxes) {
  if (begin >= end) return;
  if (dim == shape.size()) return boxes.push_back(std::move(box));
  int64_t row = 1;  // elements in one index of this dim
  for (size_t d = dim + 1; d < shape.size(); ++d) row *= shape[d];
  auto rows = [&](int64_t first, int64_t count, int64_t from, int64_t to) {
    parallel::Slice inner = box;
    inner.offset.push_back(first);
    inner.shape.push_back(count);
    if (count == 1) return add_range_boxes(shape, dim + 1, from, to, std::move(inner), boxes);
    for (size_t d = dim + 1; d < shape.size(); ++d) {
      inner.offset.push_back(0);
      inner.shape.push_back(shape[d]);
    }
    boxes.push_back(std::move(inner));
  };
  int64_t first = begin / row,
          last = end / row;  // [first, last) would be whole rows were begin a row's start
  if (begin % row != 0 || first == last) {
    rows(first, 1, begin % row, std::min(end - first * row, row));
    ++first;
  }
  if (last - first == 1) {
    rows(first, 1, 0, row);
  } else if (last > first) {
    rows(first, last - first, 0, row);
  }
  if (last >= first && end % row != 0) rows(last, 1, 0, end % row);
}

}  // namespace

std::vector<parallel::Slice> range_boxes(const std::vector<int64_t>& shape, int64_t begin, int64_t end) {
  std::vector<parallel::Slice> boxes;
  add_range_boxes(shape, 0, begin, end, {}, boxes);
  return boxes;
}

}  // namespace sextant::trainer
