#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/run.pb.h"

// Parts of a layout, to find which of its axes changes the answer.
namespace sextant::trainer {

struct PartialLayout {
  std::string name;  // "tensor=2", "tensor=2 pipeline=2"
  int64_t ranks;     // that it takes
  Run config;        // the run on these axes alone
};

// Each axis of the layout that has several ranks by itself (data once for each ZeRO stage up to the run's),
// then each pair, then the whole: in the order in which they should be tried. `ranks` is the world that the
// run has.
std::vector<PartialLayout> partial_layouts(const Run& config, int64_t ranks);

// The layout of a run on so many ranks, as users read it.
std::string layout_text(const Run& config, int64_t ranks);

}  // namespace sextant::trainer
