#pragma once

#include <vector>

#include "trainer/checkpoint/checkpoint.pb.h"

namespace sextant::trainer {

// Which of its boxes each rank writes: for every rank, indices into its report's pieces. Each box is written
// by one of the ranks that hold it, so that all write about equally many bytes. A pure function of the
// reports: every rank comes to the same plan. Throws std::logic_error when ranks disagree about a tensor's
// whole or when the boxes do not cover it exactly once.
std::vector<std::vector<int>> plan_save(const std::vector<SaveReport>& reports);

}  // namespace sextant::trainer
