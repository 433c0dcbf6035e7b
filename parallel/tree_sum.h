#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace sextant::parallel {

// The sum of a power of two of parts, pairs of neighbours first: ((0 + 1) + (2 + 3)). Each addition rounds to
// the parts' type. Cut into equal runs of neighbours, which are summed apart and then together, the parts add
// up to the same bits: a rank's blocks first, then the ranks'. Without autograd. No part is changed.
at::Tensor tree_sum(std::vector<at::Tensor> parts);

}  // namespace sextant::parallel
