#include "rlhf/moving_average.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace sextant::rlhf {

MovingAverage::MovingAverage(const std::vector<trainer::OwnedPiece>& pieces, double decay)
    : pieces_(pieces), decay_(decay) {
  if (decay == 0) return;
  for (const trainer::OwnedPiece& piece : pieces)
    averages_.push_back(trainer::master_of(piece).detach().clone());
}

void MovingAverage::update() {
  at::NoGradGuard no_gradient;
  for (size_t i = 0; i < averages_.size(); ++i)
    averages_[i].lerp_(trainer::master_of(pieces_[i]).detach(), 1 - decay_);
}

std::vector<trainer::StateTensor> MovingAverage::state() const {
  std::vector<trainer::StateTensor> all;
  for (size_t i = 0; i < averages_.size(); ++i) {
    // Named as the optimizer's tensors are, but beside the weights.
    for (trainer::StateTensor& box : trainer::state_beside(pieces_[i], "average", averages_[i])) {
      box.name = "average/" + pieces_[i].parameter->name;
      all.push_back(std::move(box));
    }
  }
  return all;
}

}  // namespace sextant::rlhf
