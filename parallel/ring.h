#pragma once

#include <functional>

#include "parallel/group.h"

// Work of all ranks on what each of them holds: the pieces go from rank to rank, r to r + 1, until every rank
// has seen each of them; the next piece travels while the work on this one is done (Li et al. 2023, "Sequence
// Parallelism: Long Sequence Training from System Perspective"; Liu et al. 2023, "Ring Attention"). What the
// work is, the callers say. All ranks of the group must call together.
namespace sextant::parallel {

// visit(owner, piece) for each rank's piece, once: first for this rank's own, then for rank() - 1, rank() - 2
// and so on around. `mine` is contiguous, of equal shape and type on all ranks; visit must not write to it.
using RingVisit = std::function<void(Rank owner, const at::Tensor& piece)>;
void around_ring(Group& group, const at::Tensor& mine, const RingVisit& visit);

// Adds a rank's part to the owner's sum; empty: there is nothing to add.
using RingAddition = std::function<void(const at::Tensor& sum)>;
// As RingVisit; its result is called once the owner's sum, which travels a step behind the piece, has come.
using RingSummingVisit = std::function<RingAddition(Rank owner, const at::Tensor& piece)>;

// The sum of what all ranks added for this rank's piece, beginning with `zeros`, which it may overwrite.
at::Tensor around_ring_summing(Group& group, const at::Tensor& mine, const at::Tensor& zeros,
                               const RingSummingVisit& visit);

}  // namespace sextant::parallel
