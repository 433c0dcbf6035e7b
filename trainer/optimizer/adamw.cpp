#include "trainer/optimizer/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "parallel/base/error.h"
#include "trainer/kernels/adamw.h"

namespace sextant::trainer {

AdamW::AdamW(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces) : settings_(settings) {
  for (OwnedPiece& piece : pieces) {
    RateGroup& group = group_of(*piece.parameter);
    group.first_moments.push_back(at::zeros({piece.elements()}, piece.options()));
    group.second_moments.push_back(at::zeros({piece.elements()}, piece.options()));
    group.pieces.push_back(std::move(piece));
  }
}

AdamW::RateGroup& AdamW::group_of(const Parameter& parameter) {
  double scale = parameter.learning_rate_scale;
  // The kernels multiply decay with the scaled learning rate.
  double decay = parameter.decay == Decay::kYes ? settings_.weight_decay() / scale : 0.0;
  for (RateGroup& group : groups_) {
    if (group.learning_rate_scale == scale && group.weight_decay == decay) return group;
  }
  groups_.push_back({scale, decay, {}, {}, {}});
  return groups_.back();
}

void AdamW::update(double learning_rate, double gradient_scale) {
  at::NoGradGuard no_gradient;
  ++updates_;
  for (RateGroup& group : groups_) {
    std::vector<AdamWTensors> tensors;
    for (size_t i = 0; i < group.pieces.size(); ++i) {
      const OwnedPiece& piece = group.pieces[i];
      bool split = piece.split.defined();
      tensors.push_back({piece.master, piece.grad, group.first_moments[i], group.second_moments[i],
                         split ? at::Tensor() : piece.value, piece.split});
    }
    if (fits_adamw(tensors)) {
      AdamWConstants constants{learning_rate * group.learning_rate_scale, settings_.beta1(),
                               settings_.beta2(), group.weight_decay, settings_.epsilon()};
      adamw(tensors, constants, updates_, gradient_scale);
    } else {
      update_through_aten(group, learning_rate * group.learning_rate_scale, gradient_scale);
    }
  }
}

void AdamW::update_through_aten(RateGroup& group, double learning_rate, double gradient_scale) {
  std::vector<at::Tensor> masters, grads;
  for (const OwnedPiece& piece : group.pieces) {
    expect(!piece.split.defined(), "our own kernel takes what is split");
    masters.push_back(piece.master);
    grads.push_back(piece.grad);
  }
  if (gradient_scale != 1.0) at::_foreach_mul_(grads, gradient_scale);
  at::Tensor count = at::full({}, static_cast<double>(updates_), at::TensorOptions().dtype(at::kFloat));
  std::vector<at::Tensor> counts(masters.size(), count.to(masters[0].device()));
  at::_fused_adamw_(masters, grads, group.first_moments, group.second_moments, {}, counts, learning_rate,
                    settings_.beta1(), settings_.beta2(), group.weight_decay, settings_.epsilon(), false,
                    false);
  for (const OwnedPiece& piece : group.pieces) {
    if (piece.value.defined()) piece.value.copy_(piece.master);
  }
}

std::vector<StateTensor> AdamW::state() const {
  std::vector<StateTensor> tensors;
  auto append = [&](std::vector<StateTensor> boxes) {
    for (StateTensor& box : boxes) tensors.push_back(std::move(box));
  };
  for (const RateGroup& group : groups_) {
    for (size_t i = 0; i < group.pieces.size(); ++i) {
      append(state_beside(group.pieces[i], "first_moment", group.first_moments[i]));
      append(state_beside(group.pieces[i], "second_moment", group.second_moments[i]));
    }
  }
  return tensors;
}

}  // namespace sextant::trainer
