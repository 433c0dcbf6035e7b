#include "trainer/optimizer/owned_piece.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "parallel/base/error.h"
#include "trainer/checkpoint/range_boxes.h"

namespace sextant::trainer {
namespace {

// The boxes of the parameter's logical shape that the piece is, without numbers; hold(box, first, elements)
// gives them.
template <class Hold>
std::vector<StateTensor> boxes_of(const OwnedPiece& piece, const std::string& name, const Hold& hold) {
  const Parameter& parameter = *piece.parameter;
  parallel::Slice slice = parameter.slice();
  std::vector<StateTensor> state;
  int64_t first = 0;
  for (parallel::Slice& box : range_boxes(slice.shape, piece.begin, piece.end)) {
    int64_t elements = box.elements();
    for (size_t d = 0; d < box.offset.size(); ++d) box.offset[d] += slice.offset[d];
    StateTensor& held = state.emplace_back(StateTensor{name, parameter.shape, std::move(box), {}, {}});
    hold(held, first, elements);
    first += elements;
  }
  return state;
}

// Those of a tensor beside the piece.
auto ranges_of(const at::Tensor& tensor) {
  return [&tensor](StateTensor& held, int64_t first, int64_t elements) {
    held.tensor = tensor.narrow(0, first, elements).view(held.slice.shape);
  };
}

}  // namespace

at::TensorOptions OwnedPiece::options() const {
  return split.defined() ? at::TensorOptions().dtype(at::kFloat) : master.options();
}

at::Tensor master_of(const OwnedPiece& piece) {
  return piece.split.defined() ? piece.split.joined() : piece.master;
}

void set_master(const OwnedPiece& piece, const at::Tensor& master) {
  at::NoGradGuard no_gradient;
  if (piece.split.defined()) return piece.split.put(master.to(at::kFloat));
  if (!master.is_same(piece.master)) piece.master.copy_(master);
  if (piece.value.defined()) piece.value.copy_(piece.master);
}

std::vector<OwnedPiece> whole_pieces(const ParameterList& parameters) {
  std::vector<OwnedPiece> pieces;
  for (const auto& parameter : parameters) {
    expect(parameter->master.defined(), "masters that TrainedWeights took are in its pieces");
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
  return boxes_of(piece, "optimizer/" + kind + "/" + piece.parameter->name, ranges_of(tensor));
}

std::vector<StateTensor> weight_state(const OwnedPiece& piece) {
  std::string name = "weights/" + piece.parameter->name;
  if (!piece.split.defined()) return boxes_of(piece, name, ranges_of(piece.master));
  return boxes_of(piece, name, [&](StateTensor& held, int64_t first, int64_t elements) {
    held.split = piece.split.narrow(first, elements);
  });
}

void refresh_values(const std::vector<OwnedPiece>& pieces) {
  at::NoGradGuard no_gradient;
  for (const OwnedPiece& piece : pieces) {
    if (piece.value.defined() && !piece.split.defined()) piece.value.copy_(piece.master);
  }
}

}  // namespace sextant::trainer
