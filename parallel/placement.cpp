#include "parallel/placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::parallel {

int64_t Slice::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

Slice intersect(const Slice& a, const Slice& b) {
  expect(a.shape.size() == b.shape.size(), "slices of one tensor have equally many dims");
  Slice both;
  for (size_t d = 0; d < a.shape.size(); ++d) {
    int64_t begin = std::max(a.offset[d], b.offset[d]);
    int64_t end = std::min(a.offset[d] + a.shape[d], b.offset[d] + b.shape[d]);
    both.offset.push_back(begin);
    both.shape.push_back(std::max<int64_t>(0, end - begin));
  }
  return both;
}

Slice Placement::local(const std::vector<int64_t>& whole, const std::string& name) const {
  Slice slice{std::vector<int64_t>(whole.size(), 0), whole};
  for (const Cut& cut : cuts) {
    auto dim = static_cast<size_t>(cut.dim);
    expect(dim < whole.size() && cut.part >= 0 && cut.part < cut.parts, "a placement cuts a dim that exists");
    if (slice.shape[dim] % cut.parts != 0) {
      fail_input(fmt::format("{}: dim {} of size {} can not be cut into {} equal parts", name, dim,
                             slice.shape[dim], cut.parts));
    }
    slice.shape[dim] /= cut.parts;
    slice.offset[dim] += cut.part * slice.shape[dim];
  }
  return slice;
}

}  // namespace sextant::parallel
