#include "trainer/optimizer/owned_piece.h"

#include <ATen/ATen.h>

#include "parallel/base/error.h"

namespace sextant::trainer {

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
  const Parameter& parameter = *piece.parameter;
  parallel::Slice slice = parameter.slice();
  expect(piece.is_whole(), "only whole pieces have one box");
  return {
      {"optimizer/" + kind + "/" + parameter.name, parameter.shape, slice, tensor.view(slice.shape)},
  };
}

}  // namespace sextant::trainer
