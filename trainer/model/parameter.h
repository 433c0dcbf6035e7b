#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "parallel/placement.h"

namespace sextant::trainer {

// How a parameter starts; drawn by name and global index, so every layout starts equal.
enum class Initial { kNormal, kZeros, kOnes };

// Norms and biases are not decayed.
enum class Decay { kYes, kNo };

// One weight of the model, which knows its whole: name, logical shape and how the mesh cuts it.
struct Parameter {
  std::string name;                 // "blocks.3.attention.query.weight"
  std::vector<int64_t> shape;       // of the whole
  parallel::Placement placement;    // which part of the whole is here
  Initial initial = Initial::kNormal;
  double initial_std = 0;
  Decay decay = Decay::kYes;

  at::Tensor master;  // [local shape] fp32 (fp64 in fp64 runs): what the optimizer updates and checkpoints hold
  at::Tensor value;   // [local shape] compute type, a leaf with gradient: what forward reads; may alias master
  at::Tensor grad;    // [local shape] master's type, a view of a gradient bucket; empty outside training
};

// The parameters of a model, in the order in which forward uses them. Addresses are stable.
using ParameterList = std::vector<std::unique_ptr<Parameter>>;

}  // namespace sextant::trainer
