#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/fixed_point.h"
#include "trainer/kernels/instruction_set.h"

namespace sextant::trainer {

// parallel/fixed_point's functions in one pass over memory, on all threads, for contiguous fp32 and fp64 on a
// CPU; others go through ATen there. The same bits for any instruction set and number of threads.
double add_fixed(const at::Tensor& into, const at::Tensor& from, parallel::FixedPoint point,
                 parallel::Onto onto, InstructionSet set);
double from_fixed(const at::Tensor& into, const at::Tensor& from, parallel::FixedPoint point,
                  InstructionSet set);
parallel::FixedSum sum_of_squares(const at::Tensor& numbers, int exponent,
                                  InstructionSet set = instruction_set());

// The first two, by this processor's instructions.
parallel::FixedPointLoops fixed_point_loops();

}  // namespace sextant::trainer
