#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "parallel/group.h"
#include "parallel/placement.h"
#include "trainer/optimizer/owned_piece.h"

namespace sextant::trainer {

// Whole matrices out of what the ranks hold of them, for rules that do not work element by element. A matrix
// is cut twice: into slices over the tensor axis, and each slice into flat ranges over its holders. Every
// rank of both gets the same whole, bit by bit: numbers are moved, never added.
//
// In a stack of matrices [E, out, in] the experts that lie here stay by themselves: the whole is that of the
// last two dims.
class WholeGradient {
 public:
  // Asks who holds what. All ranks of `tensor` (null: one) and of the pieces' holders must call, with the
  // same parameters in the same order.
  WholeGradient(const std::vector<OwnedPiece>& pieces, parallel::Group* tensor);

  // own [elements of piece i] to [whole shape] (stacks: [experts here, out, in]). All of them must call for
  // the same i.
  at::Tensor gather(size_t i, const at::Tensor& own) const;
  // The other way: what of `whole` lies beside piece i, [elements]. No collectives.
  at::Tensor own_part(size_t i, const at::Tensor& whole) const;

 private:
  struct Place {
    parallel::Slice slice;            // of this rank, in the whole that gather returns
    std::vector<int64_t> whole;       // shape of that whole
    int64_t begin = 0, elements = 0;  // of this rank's range in the slice
    parallel::Group* holders = nullptr;
    std::vector<std::pair<int64_t, int64_t>> ranges;  // [begin, end) of each holder
    std::vector<parallel::Slice> slices;              // of each tensor rank; empty: all hold the whole
  };

  void ask_holders(const std::vector<OwnedPiece>& pieces);
  void ask_tensor_ranks();
  at::Tensor gather_slice(const Place& place, const at::Tensor& own) const;

  parallel::Group* tensor_;
  std::vector<Place> places_;
};

}  // namespace sextant::trainer
