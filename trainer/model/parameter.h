#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "parallel/gradient_sink.h"
#include "parallel/placement.h"
#include "parallel/unit_use.h"

namespace sextant::trainer {

// How a parameter starts; drawn by name and global index, so every layout starts equal.
enum class Initial { kNormal, kZeros, kOnes };

// Norms and biases are not decayed.
enum class Decay { kYes, kNo };

// What the parameter is to update rules and to muP.
enum class Role {
  kHidden,     // a matrix from channels to channels; [E, out, in]: of each expert
  kEmbedding,  // rows that are looked up
  kOutput,     // from channels to the vocabulary
  kRouter,     // from channels to experts
  kVector,     // norms and biases
};

// One weight of the model, which knows its whole: name, logical shape and how the mesh cuts it.
struct Parameter {
  std::string name;               // "blocks.3.attention.query.weight"
  std::vector<int64_t> shape;     // of the whole
  parallel::Placement placement;  // which part of the whole is here
  Initial initial = Initial::kNormal;
  double initial_std = 0;
  Decay decay = Decay::kYes;
  Role role = Role::kHidden;
  double learning_rate_scale = 1;  // over the run's learning rate (trainer/model/mup)
  int64_t uses = 1;                // in one forward: 2 of an embedding that is the output layer, too
  int64_t unit = 0;                // weights of a unit are read together: an embedding, a block, a head

  at::Tensor
      master;  // [local shape] fp32 (fp64 in fp64 runs): what the optimizer updates and checkpoints hold
  at::Tensor value;  // [local shape] compute type, a leaf with gradient: what forward reads; may alias master
  at::Tensor grad;   // [local shape] master's type, a view of a gradient bucket; empty outside training
  parallel::GradientSink* sink = nullptr;  // where backward may put the gradient; null outside training

  parallel::Slice slice() const { return placement.local(shape, name); }
};

// Numbers of the model that training moves by a rule of its own, not by a gradient. Whole and equal on every
// rank that has them; checkpoints hold them beside the weights.
struct Buffer {
  std::string name;    // "blocks.3.experts.router.balance_bias"
  at::Tensor numbers;  // the master's type
};

// The types that a precision setting stands for.
struct Precision {
  at::ScalarType master = at::kFloat;
  at::ScalarType compute = at::kFloat;
};

// The parameters of a model in the order in which forward uses them. Addresses are stable.
class ParameterList {
 public:
  ParameterList(Precision precision, at::Device device) : precision_(precision), device_(device) {}

  // Adds a parameter with memory for master and value; its numbers are undefined until initialised or loaded.
  Parameter& add(Parameter described);

  // Adds a buffer of zeros, and gives a handle to its memory.
  at::Tensor add_buffer(const std::string& name, const std::vector<int64_t>& shape);
  const std::vector<Buffer>& buffers() const { return buffers_; }

  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }
  size_t size() const { return parameters_.size(); }
  // Numbers in the whole model.
  int64_t elements() const;
  Precision precision() const { return precision_; }
  // Who is told when the values of a unit are read: whoever lets them come and go sets itself, as sinks are
  // set; null: they are always here.
  parallel::UnitUse* unit_use() const { return unit_use_; }
  void set_unit_use(parallel::UnitUse* use) const { unit_use_ = use; }
  at::Device device() const { return device_; }

  // Copies masters into values where these are of another type. After each change of masters.
  void refresh_values() const;

 private:
  Precision precision_;
  at::Device device_;
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::vector<Buffer> buffers_;
  mutable parallel::UnitUse* unit_use_ = nullptr;
};

}  // namespace sextant::trainer
