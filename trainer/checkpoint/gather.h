#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer {

// The whole tensors of a state that is spread over ranks, by name, in their own types on the CPU: on rank 0;
// the others get nothing. One box travels at a time. All ranks of `world` must call, each with the boxes that
// it holds; boxes that several hold are sent by one of them. A tensor that the boxes do not cover is our own
// bug (std::logic_error).
std::map<std::string, at::Tensor> gather_state(parallel::Group& world, const std::vector<StateTensor>& state);

}  // namespace sextant::trainer
