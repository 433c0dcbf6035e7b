#pragma once

#include <vector>

#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer {

// The boxes that this rank holds, without their contents: pieces in the order of `state`.
SaveReport announce(const std::vector<StateTensor>& state);

// Which of its boxes each rank writes: for every rank, indices into its report's pieces. Each box is written
// by one of the ranks that hold it, so that all write about equally many bytes. A pure function of the
// reports: every rank comes to the same plan. Throws std::logic_error when ranks disagree about a tensor's
// whole or when the boxes do not cover it exactly once.
std::vector<std::vector<int>> plan_save(const std::vector<SaveReport>& reports);

}  // namespace sextant::trainer
