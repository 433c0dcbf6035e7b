#pragma once

#include <vector>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/optimizer/owned_piece.h"

namespace sextant::rlhf {

// The exponential moving average of the weights that this rank owns; begins as a copy of them.
class MovingAverage {
 public:
  // decay 0: none is kept, and the rest does nothing. `pieces` must outlive this.
  MovingAverage(const std::vector<trainer::OwnedPiece>& pieces, double decay);

  // average = decay average + (1 - decay) weights.
  void update();
  // As checkpoints name it: "average/NAME". The live tensors.
  std::vector<trainer::StateTensor> state() const;

 private:
  const std::vector<trainer::OwnedPiece>& pieces_;
  double decay_;
  std::vector<at::Tensor> averages_;
};

}  // namespace sextant::rlhf
