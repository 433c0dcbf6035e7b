#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/optimizer/optimizer.h"

namespace sextant::trainer {

// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2; decay multiplied by the learning
// rate):
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   w = w - lr decay w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
// in one pass over memory. Parameters with Decay::kNo are not decayed; a learning-rate scale of a parameter
// (trainer/model/mup) multiplies the second lr alone. fp32 masters on a CPU go through
// trainer/kernels/adamw, others through ATen's fused kernel. Element by element: a piece is updated as the
// whole would be.
class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces);

  void update(double learning_rate, double gradient_scale = 1.0) override;
  // First and second moments, in the pieces' order.
  std::vector<StateTensor> state() const override;

 private:
  // Pieces with the same rates.
  struct RateGroup {
    double learning_rate_scale, weight_decay;
    std::vector<OwnedPiece> pieces;
    std::vector<at::Tensor> first_moments, second_moments;  // [piece's elements]
  };
  RateGroup& group_of(const Parameter& parameter);
  void update_through_aten(RateGroup& group, double learning_rate, double gradient_scale);

  OptimizerSettings settings_;
  std::vector<RateGroup> groups_;
};

}  // namespace sextant::trainer
