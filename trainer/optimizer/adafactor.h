#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/group.h"
#include "trainer/optimizer/optimizer.h"
#include "trainer/optimizer/whole_gradient.h"

namespace sextant::trainer {

// Adafactor (Shazeer & Stern 2018, algorithms 4 and 5) without first moment, with decoupled weight decay. At
// update t, b = 1 - t^-power, of a matrix [out, in]:
//   r = b r + (1 - b) mean over in of (G^2 + 1e-30),  c likewise over out
//   U = G / sqrt(r c^T / mean(r)),  U = U / max(1, rms(U) / update_clip)
//   W = W - lr decay W - step U,  step = lr, or lr max(1e-3, rms(W)) with relative_step
// A vector keeps its whole square. A stack [E, out, in] is E matrices. r, c and rms are of whole matrices on
// every rank that holds a part, so that a layout changes nothing; a rank has one whole gradient in memory at
// a time, and sends its part of each.
class Adafactor : public Optimizer {
 public:
  // `tensor`: the ranks that hold the other slices; null: one.
  Adafactor(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces, parallel::Group* tensor);

  void update(double learning_rate, double gradient_scale = 1.0) override;
  std::vector<StateTensor> state() const override;

 private:
  struct Squares {
    at::Tensor rows;     // [out] or [E, out]; of a vector [width], its only one
    at::Tensor columns;  // [in] or [E, in]; undefined for a vector
  };
  // G / sqrt(estimate of its square), clipped. grad [out, in], [E, out, in] or [width].
  at::Tensor direction(Squares& squares, const at::Tensor& grad) const;

  OptimizerSettings settings_;
  std::vector<OwnedPiece> pieces_;
  std::vector<Squares> squares_;
  WholeGradient wholes_;
};

}  // namespace sextant::trainer
