#include "trainer/optimizer/owned_piece.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "trainer/checkpoint/range_boxes.h"

namespace sextant::trainer {
namespace {

// The boxes of the parameter's logical shape that `tensor`, beside the piece, holds.
std::vector<StateTensor> boxes_of(const OwnedPiece& piece, const std::string& name,
                                  const at::Tensor& tensor) {
  const Parameter& parameter = *piece.parameter;
  parallel::Slice slice = parameter.slice();
  std::vector<StateTensor> state;
  int64_t first = 0;
  for (parallel::Slice& box : range_boxes(slice.shape, piece.begin, piece.end)) {
    int64_t elements = box.elements();
    at::Tensor part = tensor.narrow(0, first, elements).view(box.shape);
    for (size_t d = 0; d < box.offset.size(); ++d) box.offset[d] += slice.offset[d];
    state.push_back({name, parameter.shape, std::move(box), std::move(part)});
    first += elements;
  }
  return state;
}

}  // namespace

std::vector<OwnedPiece> whole_pieces(const ParameterList& parameters) {
  std::vector<OwnedPiece> pieces;
  for (const auto& parameter : parameters) {
    OwnedPiece piece;
    piece.parameter = parameter.get();
    piece.end = parameter->master.numel();
    piece.master = parameter->master.view({-1});
    if (parameter->grad.defined()) piece.grad = parameter->grad.view({-1});
    if (!parameter->value.is_alias_of(parameter->master)) piece.value = parameter->value.detach().view({-1});
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::vector<StateTensor> state_beside(const OwnedPiece& piece, const std::string& kind,
                                      const at::Tensor& tensor) {
  return boxes_of(piece, "optimizer/" + kind + "/" + piece.parameter->name, tensor);
}

std::vector<StateTensor> weight_state(const OwnedPiece& piece) {
  return boxes_of(piece, "weights/" + piece.parameter->name, piece.master);
}

void refresh_values(const std::vector<OwnedPiece>& pieces) {
  at::NoGradGuard no_gradient;
  for (const OwnedPiece& piece : pieces) {
    if (piece.value.defined()) piece.value.copy_(piece.master);
  }
}

}  // namespace sextant::trainer
