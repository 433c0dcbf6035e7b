#include "parallel/tree_sum.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <bit>

#include "parallel/base/error.h"

namespace sextant::parallel {

at::Tensor tree_sum(std::vector<at::Tensor> parts) {
  at::NoGradGuard no_gradient;
  expect(std::has_single_bit(parts.size()), "a tree of pairs sums a power of two");
  for (; parts.size() > 1; parts.resize(parts.size() / 2)) {
    for (size_t i = 0; 2 * i < parts.size(); ++i) parts[i] = parts[2 * i] + parts[2 * i + 1];
  }
  return parts[0];
}

}  // namespace sextant::parallel
