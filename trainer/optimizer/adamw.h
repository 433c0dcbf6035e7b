#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/model/parameter.h"
#include "trainer/optimizer/optimizer.pb.h"

namespace sextant::trainer {

// A tensor of the optimizer's state that belongs to a parameter and is cut as it is.
struct OptimizerTensor {
  std::string name;  // "optimizer/first_moment/blocks.0.attention.query.weight"
  const Parameter* parameter;
  at::Tensor tensor;
};

// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2; decay multiplied by the learning
// rate):
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   w = w - lr decay w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
// in one pass over memory. Parameters with Decay::kNo are not decayed. fp32 masters on a CPU go through
// trainer/kernels/adamw, others through ATen's fused kernel.
class AdamW {
 public:
  // The parameters must outlive the optimizer.
  AdamW(const OptimizerSettings& settings, const ParameterList& parameters);

  // One update of every master from gradient_scale * grad (mean and clipping in one factor), and of every
  // value that is not the master's own memory. Leaves the gradients' numbers undefined.
  void update(double learning_rate, double gradient_scale = 1.0);

  // Updates done so far: the t above. Restored together with state().
  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }
  // First and second moments, in the parameters' order.
  std::vector<OptimizerTensor> state() const;

 private:
  struct DecayGroup {
    double weight_decay;
    std::vector<const Parameter*> parameters;
    std::vector<at::Tensor> first_moments, second_moments;
  };
  void update_through_aten(DecayGroup& group, double learning_rate, double gradient_scale);

  OptimizerSettings settings_;
  std::vector<DecayGroup> groups_;
  int64_t updates_ = 0;
};

}  // namespace sextant::trainer
