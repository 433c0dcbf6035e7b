#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::parallel {

// Memory that comes and goes under a tensor, which keeps its identity: views of it, and what autograd has
// saved, are good again once it is back. Views can only be made while it is there. The tensor covers its
// storage alone.

// Nothing where it is there already; else its numbers are undefined.
void take_memory(const at::Tensor& tensor);
// Nothing where it is gone already.
void give_memory_back(const at::Tensor& tensor);

}  // namespace sextant::parallel
