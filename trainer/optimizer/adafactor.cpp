#include "trainer/optimizer/adafactor.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace sextant::trainer {
namespace {

constexpr double kEpsilon1 = 1e-30, kEpsilon2 = 1e-3;  // the paper's, section 9

// Root of the mean square, of each matrix or of a vector; keeps the dims.
at::Tensor rms(const at::Tensor& x) {
  std::vector<int64_t> dims = x.dim() == 1 ? std::vector<int64_t>{0} : std::vector<int64_t>{-2, -1};
  return x.square().mean(dims, /*keepdim=*/true).sqrt();
}

// The dims of a parameter without dim `left_out`, of which this rank has everything but other experts.
StateTensor factor_state(const Parameter& parameter, const std::string& kind, size_t left_out,
                         const at::Tensor& tensor) {
  StateTensor state{"optimizer/" + kind + "/" + parameter.name, parameter.shape, {}, tensor};
  if (left_out < state.whole.size()) {
    state.whole.erase(state.whole.begin() + static_cast<std::ptrdiff_t>(left_out));
  }
  state.slice = {std::vector<int64_t>(state.whole.size(), 0), tensor.sizes().vec()};
  if (parameter.shape.size() == 3) state.slice.offset[0] = parameter.slice().offset[0];
  return state;
}

}  // namespace

Adafactor::Adafactor(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces,
                     parallel::Group* tensor)
    : settings_(settings), pieces_(std::move(pieces)), wholes_(pieces_, tensor) {
  for (const OwnedPiece& piece : pieces_) {
    std::vector<int64_t> shape = piece.parameter->shape;
    if (shape.size() == 3) shape[0] = piece.parameter->slice().shape[0];
    Squares squares;
    if (shape.size() == 1) {
      squares.rows = at::zeros(shape, piece.options());
    } else {
      std::vector<int64_t> rows(shape.begin(), shape.end() - 1), columns = rows;
      columns.back() = shape.back();
      squares = {at::zeros(rows, piece.options()), at::zeros(columns, piece.options())};
    }
    squares_.push_back(std::move(squares));
  }
}

at::Tensor Adafactor::direction(Squares& squares, const at::Tensor& grad) const {
  double fresh = std::pow(static_cast<double>(updates_), -settings_.square_power());
  at::Tensor square = grad.square() + kEpsilon1, estimate;
  if (squares.columns.defined()) {
    squares.rows.lerp_(square.mean(-1), fresh);
    squares.columns.lerp_(square.mean(-2), fresh);
    at::Tensor share = squares.rows / squares.rows.mean(-1, /*keepdim=*/true);  // [..., out]
    estimate = share.unsqueeze(-1) * squares.columns.unsqueeze(-2);             // [..., out, in]
  } else {
    estimate = squares.rows.lerp_(square, fresh);
  }
  at::Tensor step = grad / estimate.sqrt();
  return step / (rms(step) / settings_.update_clip()).clamp_min(1.0);
}

void Adafactor::update(double learning_rate, double gradient_scale) {
  at::NoGradGuard no_gradient;
  ++updates_;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const OwnedPiece& piece = pieces_[i];
    const Parameter& parameter = *piece.parameter;
    at::Tensor step = direction(squares_[i], wholes_.gather(i, piece.grad.mul_(gradient_scale)));
    // The weights' size has the root of muP's scale in it.
    double scale = parameter.learning_rate_scale;
    at::Tensor master = master_of(piece);
    if (settings_.relative_step()) {
      step = step * rms(wholes_.gather(i, master)).clamp_min(kEpsilon2);
      scale = std::sqrt(scale);
    }
    if (parameter.decay == Decay::kYes) master.mul_(1 - learning_rate * settings_.weight_decay());
    master.sub_(wholes_.own_part(i, step), learning_rate * scale);
    set_master(piece, master);
  }
}

std::vector<StateTensor> Adafactor::state() const {
  std::vector<StateTensor> tensors;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const Parameter& parameter = *pieces_[i].parameter;
    size_t dims = parameter.shape.size();
    if (dims == 1) {
      tensors.push_back(factor_state(parameter, "square", dims, squares_[i].rows));
    } else {
      tensors.push_back(factor_state(parameter, "row_square", dims - 1, squares_[i].rows));
      tensors.push_back(factor_state(parameter, "column_square", dims - 2, squares_[i].columns));
    }
  }
  return tensors;
}

}  // namespace sextant::trainer
