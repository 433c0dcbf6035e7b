#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/kernels/instruction_set.h"
#include "trainer/kernels/linear.h"

namespace sextant::trainer {

// Linear layers on a CPU for so few rows that reading the weights costs more than the arithmetic: generation.
// Without gradient. Sums are fp32, and a row's results do not depend, to the bit, on how many rows there are.

// Whether few_rows_linear takes these: fp32 or bf16 on a CPU, contiguous weights, no gradient wanted, few
// rows.
bool is_few_rows(const at::Tensor& input, const Linear& layer, InstructionSet set = instruction_set());

// The most rows that is_few_rows takes of such a weight, in inference mode.
int64_t most_few_rows(const at::Tensor& weight, InstructionSet set = instruction_set());

// One output [..., out_i] for each layer, all reading input [..., in]. `output` is the input's type or fp32.
std::vector<at::Tensor> few_rows_linear(const at::Tensor& input, const std::vector<Linear>& layers,
                                        at::ScalarType output, InstructionSet set = instruction_set());

}  // namespace sextant::trainer
