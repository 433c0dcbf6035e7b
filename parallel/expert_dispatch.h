#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/group.h"

namespace sextant::parallel {

// Rows that travel to the ranks which own their experts, and back (Lepikhin et al. 2020, "GShard"; here
// without a fixed capacity). The experts are shared out in equal, consecutive parts: rank r of n owns experts
// [r E/n, (r+1) E/n).
//
// Ranks send different numbers of rows. Every rank learns all counts first, in one all-gather; then each pair
// of ranks gets a place for as many rows as the largest pair needs, so that the exchange is one equal-sized
// all-to-all, which every backend has. The places that stay empty cost bandwidth when routing is uneven, and
// nothing else.
//
// M rows here, M' rows that came, C channels, E experts in all, n ranks.
class ExpertDispatch {
 public:
  // counts [E] int64 on the CPU: this rank's rows for each expert. All ranks of `owners` must call; E must be
  // a multiple of its size. `owners` must outlive the dispatch and the backward of what it moved.
  ExpertDispatch(Group& owners, const at::Tensor& counts);

  // rows [M, C] sorted by expert, to the rows of all ranks for this rank's experts, [M', C], sorted by expert
  // and then by the rank that they came from. Differentiable: backward sends gradients back. All ranks must
  // call, and all must run the backward.
  at::Tensor to_owners(const at::Tensor& rows) const;
  // The reverse: results [M', C] in the order of to_owners, to [M, C] in the order of the rows given to it.
  at::Tensor from_owners(const at::Tensor& rows) const;

  // Rows that came for each of this rank's experts, [E/n].
  const std::vector<int64_t>& received() const { return received_; }

 private:
  struct Places;
  std::vector<int64_t> received_;
  std::shared_ptr<const Places> places_;  // null on one rank
};

}  // namespace sextant::parallel
