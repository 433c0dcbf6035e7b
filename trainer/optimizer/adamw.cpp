#include "trainer/optimizer/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "trainer/kernels/adamw.h"

namespace sextant::trainer {

AdamW::AdamW(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces) : settings_(settings) {
  groups_ = {{settings.weight_decay(), {}, {}, {}}, {0.0, {}, {}, {}}};
  for (OwnedPiece& piece : pieces) {
    DecayGroup& group = groups_[piece.parameter->decay == Decay::kYes ? 0 : 1];
    group.first_moments.push_back(at::zeros_like(piece.master));
    group.second_moments.push_back(at::zeros_like(piece.master));
    group.pieces.push_back(std::move(piece));
  }
}

void AdamW::update(double learning_rate, double gradient_scale) {
  at::NoGradGuard no_gradient;
  ++updates_;
  for (DecayGroup& group : groups_) {
    if (group.pieces.empty()) continue;
    std::vector<AdamWTensors> tensors;
    for (size_t i = 0; i < group.pieces.size(); ++i) {
      const OwnedPiece& piece = group.pieces[i];
      tensors.push_back(
          {piece.master, piece.grad, group.first_moments[i], group.second_moments[i], piece.value});
    }
    if (fits_adamw(tensors)) {
      AdamWConstants constants{learning_rate, settings_.beta1(), settings_.beta2(), group.weight_decay,
                               settings_.epsilon()};
      adamw(tensors, constants, updates_, gradient_scale);
    } else {
      update_through_aten(group, learning_rate, gradient_scale);
    }
  }
}

void AdamW::update_through_aten(DecayGroup& group, double learning_rate, double gradient_scale) {
  std::vector<at::Tensor> masters, grads;
  for (const OwnedPiece& piece : group.pieces) {
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
  for (const DecayGroup& group : groups_) {
    for (size_t i = 0; i < group.pieces.size(); ++i) {
      append(state_beside(group.pieces[i], "first_moment", group.first_moments[i]));
      append(state_beside(group.pieces[i], "second_moment", group.second_moments[i]));
    }
  }
  return tensors;
}

}  // namespace sextant::trainer
