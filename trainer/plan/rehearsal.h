#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>

#include "parallel/base/number.h"
#include "parallel/rehearsal_group.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// Bytes of a rank at its fullest, by kind.
struct RankBytes {
  double program = 0;  // libraries, tokenizer: there before the model is
  double weights = 0;  // and their masters
  double gradients = 0;
  double optimizer = 0;
  double activations = 0;  // and all that comes and goes in a step
  double buffers = 0;      // for what other ranks send
  double total() const { return program + weights + gradients + optimizer + activations + buffers; }
};

// What a rank of a run needs and does, found by letting it do it.
struct Rehearsed {
  RankBytes bytes;
  double forward_seconds = 0;   // of a microbatch, in all stages of the rank
  double backward_seconds = 0;  // the same
  double rest_seconds = 0;      // of a step besides: norm, optimizer, what its sums cost here
  // What it asks of other ranks; those verbs cost no time here.
  std::map<parallel::Traffic::Call, double> calls_of_microbatch, calls_of_step;
};

// Plays rank `role` of a run of these settings on `ranks` ranks, alone: the very model, optimizer, rows and
// schedule that the rank would have, in groups whose other members are not there (parallel/rehearsal_group).
// A few steps of no more microbatches than are in flight at one time. The settings must be complete and fit
// the ranks; the run's shards must be here. Several processes that play at one time share a machine as its
// ranks will: `meet` is called before each of the kRehearsedSteps steps and should wait for all of them.
//
// Throws what the run would throw; std::bad_alloc or the like where there is not the memory.
inline constexpr int64_t kRehearsedSteps = 6;
Rehearsed rehearse(const Run& config, int64_t ranks, Rank role, at::Device device,
                   const std::function<void()>& meet);

}  // namespace sextant::trainer
