#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/kernels/instruction_set.h"
#include "trainer/kernels/split_master.h"

namespace sextant::trainer {

// What an update of one parameter reads and writes, all of one shape and contiguous.
struct AdamWTensors {
  at::Tensor master, grad, first_moment, second_moment;  // fp32
  at::Tensor copy;                                       // undefined, or bf16: gets the new weights
  SplitMaster split = {};                                // in place of master and copy, with the same bits
};

struct AdamWConstants {
  double learning_rate, beta1, beta2, weight_decay, epsilon;
};

// Whether adamw() can do it: CPU, these types, contiguous.
bool fits_adamw(const std::vector<AdamWTensors>& tensors);

// AdamW's update number `count` (from 1; trainer/optimizer/adamw.h has the formula) of all tensors in one
// pass over memory, from gradient_scale * grad. Equal bits for any number of threads.
void adamw(const std::vector<AdamWTensors>& tensors, const AdamWConstants& constants, int64_t count,
           double gradient_scale, InstructionSet set = instruction_set());

}  // namespace sextant::trainer
