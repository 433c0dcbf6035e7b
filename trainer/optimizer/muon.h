#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/group.h"
#include "trainer/optimizer/adamw.h"
#include "trainer/optimizer/optimizer.h"
#include "trainer/optimizer/whole_gradient.h"

namespace sextant::trainer {

// Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), with decoupled weight decay:
//   M = mu M + (1 - mu) G,  U = (1 - mu) G + mu M (Nesterov) or M
//   W = W - lr decay W - lr scale orthogonalised(U)
// scale: 0.2 sqrt(max(out, in)), so that updates are as large as AdamW's and its learning rate serves (Liu
// et al. 2025, arXiv 2502.16982, eq. 4), or sqrt(max(1, out / in)), the author's own.
//
// For matrices of hidden layers; a stack [E, out, in] is E matrices. Embeddings, output layer, routers, norms
// and biases go by AdamW with a learning rate of their own. Matrices are orthogonalised as wholes, in the
// type that the model computes in, on every rank that holds a part: a layout changes nothing. (The price:
// each of these ranks does that work, five times three products of its size.)
class Muon : public Optimizer {
 public:
  // `tensor`: the ranks that hold the other slices; null: one.
  Muon(const OptimizerSettings& settings, const std::vector<OwnedPiece>& pieces, parallel::Group* tensor);

  void update(double learning_rate, double gradient_scale = 1.0) override;
  std::vector<StateTensor> state() const override;

 private:
  OptimizerSettings settings_;
  std::vector<OwnedPiece> matrices_;
  std::vector<at::Tensor> momenta_;  // [piece's elements]
  double rest_rate_;                 // AdamW's learning rate over that of the matrices
  WholeGradient wholes_;
  AdamW rest_;

  double scale_of(const Parameter& parameter) const;
};

}  // namespace sextant::trainer
