#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/optimizer/optimizer.h"

namespace sextant::trainer {

// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2; decay multiplied by the learning
// rate):
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   w = w - lr decay w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
// in one pass over memory. Parameters with Decay::kNo are not decayed. fp32 masters on a CPU go through
// trainer/kernels/adamw, others through ATen's fused kernel. Element by element: a piece is updated as the
// whole would be.
class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces);

  void update(double learning_rate, double gradient_scale = 1.0) override;
  // First and second moments, in the pieces' order.
  std::vector<StateTensor> state() const override;

 private:
  struct DecayGroup {
    double weight_decay;
    std::vector<OwnedPiece> pieces;
    std::vector<at::Tensor> first_moments, second_moments;  // [piece's elements]
  };
  void update_through_aten(DecayGroup& group, double learning_rate, double gradient_scale);

  OptimizerSettings settings_;
  std::vector<DecayGroup> groups_;
};

}  // namespace sextant::trainer
