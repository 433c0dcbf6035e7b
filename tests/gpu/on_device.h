#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "parallel/group.h"

namespace sextant::parallel {

// A group whose verbs take CPU tensors and carry them by `carrier` from copies on `device`: the verb checks,
// which are written with CPU tensors, so check what a backend does with tensors of a GPU. Borrows nothing.
std::unique_ptr<Group> on_device(std::unique_ptr<Group> carrier, at::Device device);

}  // namespace sextant::parallel
