#include "trainer/optimizer/muon.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "trainer/optimizer/orthogonal.h"

namespace sextant::trainer {
namespace {

bool is_hidden_matrix(const OwnedPiece& piece) {
  return piece.parameter->role == Role::kHidden;
}

std::vector<OwnedPiece> hidden_matrices(std::vector<OwnedPiece> pieces) {
  std::erase_if(pieces, [](const OwnedPiece& piece) { return !is_hidden_matrix(piece); });
  return pieces;
}

std::vector<OwnedPiece> all_others(std::vector<OwnedPiece> pieces) {
  std::erase_if(pieces, is_hidden_matrix);
  return pieces;
}

}  // namespace

Muon::Muon(const OptimizerSettings& settings, const std::vector<OwnedPiece>& pieces, parallel::Group* tensor)
    : settings_(settings),
      matrices_(hidden_matrices(pieces)),
      rest_rate_(settings.has_adamw_learning_rate()
                     ? settings.adamw_learning_rate() / settings.learning_rate()
                     : 1.0),
      wholes_(matrices_, tensor),
      rest_(settings, all_others(pieces)) {
  for (const OwnedPiece& piece : matrices_)
    momenta_.push_back(at::zeros({piece.elements()}, piece.options()));
}

double Muon::scale_of(const Parameter& parameter) const {
  auto out = static_cast<double>(parameter.shape[parameter.shape.size() - 2]);
  auto in = static_cast<double>(parameter.shape.back());
  if (settings_.muon_scale() == OptimizerSettings::original) return std::sqrt(std::max(1.0, out / in));
  // An orthogonal update grows with the root of the width where AdamW's grows with the width: so much is left
  // of the learning-rate scale of muP.
  return 0.2 * std::sqrt(std::max(out, in)) * std::sqrt(parameter.learning_rate_scale);
}

void Muon::update(double learning_rate, double gradient_scale) {
  at::NoGradGuard no_gradient;
  rest_.set_updates(updates_++);
  rest_.update(learning_rate * rest_rate_, gradient_scale);
  double mu = settings_.momentum();
  for (size_t i = 0; i < matrices_.size(); ++i) {
    const OwnedPiece& piece = matrices_[i];
    at::Tensor grad = piece.grad.mul_(gradient_scale);
    momenta_[i].lerp_(grad, 1 - mu);
    at::Tensor direction = settings_.nesterov() ? grad.lerp_(momenta_[i], mu) : momenta_[i];
    at::Tensor sent = direction.to(piece.parameter->value.scalar_type());
    at::Tensor whole = orthogonalised(wholes_.gather(i, sent));  // [out, in] or [E, out, in]
    at::Tensor master = master_of(piece);
    at::Tensor step = wholes_.own_part(i, whole).to(master.scalar_type());  // [elements]
    master.mul_(1 - learning_rate * settings_.weight_decay());
    master.sub_(step, learning_rate * scale_of(*piece.parameter));
    set_master(piece, master);
  }
}

std::vector<StateTensor> Muon::state() const {
  std::vector<StateTensor> tensors = rest_.state();
  for (size_t i = 0; i < matrices_.size(); ++i) {
    for (StateTensor& box : state_beside(matrices_[i], "momentum", momenta_[i]))
      tensors.push_back(std::move(box));
  }
  return tensors;
}

}  // namespace sextant::trainer
