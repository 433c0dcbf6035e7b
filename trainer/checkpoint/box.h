#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/placement.h"

namespace sextant::trainer {

// The number of elements of a shape from a file; none when a size is negative, there are more than 16 dims,
// or the bytes of so many 8 byte numbers would not fit 63 bits.
std::optional<int64_t> checked_elements(const std::vector<int64_t>& shape);

// Whether boxes cover a whole exactly once: nothing when they do, else what is wrong ("the boxes at [0, 0]
// and [0, 4] overlap", "8 of 16 elements are missing"). Boxes must lie inside the whole.
std::optional<std::string> cover_fault(const std::vector<int64_t>& whole, std::vector<parallel::Slice> boxes);

// What a box covers of a tensor, as a view.
at::Tensor view_of(at::Tensor whole, const parallel::Slice& box);

// "[3, 4]"
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace sextant::trainer
