#include "trainer/checkpoint/box.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace sextant::trainer {

std::optional<int64_t> checked_elements(const std::vector<int64_t>& shape) {
  constexpr int64_t kMost = int64_t{1} << 59;
  if (shape.size() > 16) return std::nullopt;
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0 || size > kMost) return std::nullopt;
    // A zero elsewhere makes the product zero, yet each prefix must stay in range.
    if (size > 0 && count > kMost / size) return std::nullopt;
    count *= size;
  }
  return count;
}

std::optional<std::string> cover_fault(const std::vector<int64_t>& whole,
                                       std::vector<parallel::Slice> boxes) {
  std::erase_if(boxes, [](const parallel::Slice& box) { return box.elements() == 0; });
  std::sort(boxes.begin(), boxes.end(),
            [](const parallel::Slice& a, const parallel::Slice& b) { return a.offset < b.offset; });
  int64_t covered = 0;
  for (size_t i = 0; i < boxes.size(); ++i) {
    covered += boxes[i].elements();
    for (size_t j = i + 1; j < boxes.size(); ++j) {
      // Sorted by the first dim: from where a box begins below this one's end, all others do.
      if (!whole.empty() && boxes[j].offset[0] >= boxes[i].offset[0] + boxes[i].shape[0]) break;
      if (parallel::intersect(boxes[i], boxes[j]).elements() == 0) continue;
      return fmt::format("its boxes at {} and {} overlap", shape_text(boxes[i].offset),
                         shape_text(boxes[j].offset));
    }
  }
  int64_t elements = parallel::Slice{{}, whole}.elements();
  if (covered == elements) return std::nullopt;
  return fmt::format("{} of its {} elements are in no box", elements - covered, elements);
}

at::Tensor view_of(at::Tensor whole, const parallel::Slice& box) {
  for (size_t d = 0; d < box.shape.size(); ++d) {
    whole = whole.narrow(static_cast<int64_t>(d), box.offset[d], box.shape[d]);
  }
  return whole;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace sextant::trainer
