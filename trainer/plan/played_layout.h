#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "trainer/plan/rehearsal.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// What became of the rehearsals of one layout.
struct PlayedLayout {
  std::vector<Rehearsed> stages;  // by pipeline rank: what differs among the ranks of a layout
  std::string fault;              // why it could not be played; empty: it was
};

// Rehearses a run on `ranks` ranks with the ranks of `world`, who are fewer: each plays one of the layout's
// ranks, all at one time, in as many rounds as it takes to see every pipeline rank. Of those that play the
// same one, the most of everything, since a step waits for the slowest. A rank that fails fails the layout,
// not the program. All ranks of `world` must call with equal settings; the result is the same on all.
PlayedLayout play_layout(const Run& config, int64_t ranks, at::Device device, parallel::Group& world);

}  // namespace sextant::trainer
