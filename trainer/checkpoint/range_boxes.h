#pragma once

#include <cstdint>
#include <vector>

#include "parallel/placement.h"

namespace sextant::trainer {

// The boxes that make up elements [begin, end), in row-major order, of a tensor of that shape, in their
// order: at most 2 dims - 1 of them.
std::vector<parallel::Slice> range_boxes(const std::vector<int64_t>& shape, int64_t begin, int64_t end);

}  // namespace sextant::trainer
