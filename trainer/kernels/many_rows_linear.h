#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/kernels/instruction_set.h"
#include "trainer/kernels/linear.h"

namespace sextant::trainer {

// Linear layers in fp32 on a CPU for any number of rows, without gradient. Each output is one sum in a fixed
// order, so a row's results depend, to the bit, neither on how many rows there are nor on its place among
// them, which the library's matrix multiply does not promise. The sums' order is not few_rows_linear's.

// Whether many_rows_linear takes these: in inference mode, fp32 on a CPU, contiguous weights.
bool is_many_rows(const at::Tensor& input, const Linear& layer);

// One output [..., out_i] for each layer, all reading input [..., in].
std::vector<at::Tensor> many_rows_linear(const at::Tensor& input, const std::vector<Linear>& layers,
                                         InstructionSet set = instruction_set());

}  // namespace sextant::trainer
