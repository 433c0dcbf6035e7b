#include "rlhf/pair_places.h"

#include <ATen/ATen.h>

#include <vector>

namespace sextant::rlhf {

PairPlaces pair_places(const at::Tensor& prompt, const at::Tensor& rank) {
  at::Tensor same = prompt.unsqueeze(1) == prompt.unsqueeze(0);                   // [A, A]
  at::Tensor better = same & (rank.unsqueeze(1) < rank.unsqueeze(0));             // [A, A]
  at::Tensor of_prompt = same.to(at::kDouble).mv(better.sum(1).to(at::kDouble));  // [A] pairs of its prompt
  std::vector<at::Tensor> places = better.nonzero_numpy();                        // [P], [P]
  return {places[0], places[1], of_prompt.index_select(0, places[0]).reciprocal()};
}

}  // namespace sextant::rlhf
