#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::rlhf {

// Which of A answers are to be compared: P pairs of a better and a worse one to the same prompt; ties are no
// pairs.
struct PairPlaces {
  at::Tensor winner, loser;  // [P] int64, of A
  at::Tensor shares;         // [P] fp64: one over the pairs of the prompt, so that a prompt's add up to 1
};

// prompt [A]: equal numbers are one prompt's. rank [A]: smaller is better.
PairPlaces pair_places(const at::Tensor& prompt, const at::Tensor& rank);

}  // namespace sextant::rlhf
