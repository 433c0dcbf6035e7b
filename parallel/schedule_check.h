#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "parallel/schedule.h"

namespace sextant::parallel {

// How long an action takes on a rank, in any unit.
using ActionCost = std::function<double(int64_t rank, const Action& action)>;

// The papers' unit: a forward, an input gradient and a weight gradient take 1, a whole backward 2. Of a stage
// of a rank with several, the same: then a unit is so many times smaller.
double unit_cost(int64_t rank, const Action& action);

// Whether a send waits for its receiver.
enum class Transport {
  kBuffered,    // never: what the engine does, which keeps a sent tensor until it has gone
  kRendezvous,  // always: after an action a rank starts its send and the receive of the next action together
                // and waits for both (NCCL's grouped calls on one stream). Enough for one chunk a rank
};

// A schedule played through in time.
struct Playback {
  std::vector<std::vector<double>> starts;  // by rank and action
  std::vector<std::vector<double>> ends;
  double end = 0;   // of the last action of all
  double work = 0;  // of all ranks together

  // The longest time from a rank's first action to its last. The papers' time of a step: the next step of a
  // rank may begin while others end this one.
  double longest_span() const;
  // Share of ranks x end that is not work.
  double bubble_fraction() const;
};

// Each action starts as soon as its rank has done the one before it and its input is there; messages take no
// time. Throws std::logic_error that says which rank waits for what when the lists come to a standstill.
Playback play(const Schedule& schedule, const ActionCost& cost = unit_cost,
              Transport transport = Transport::kBuffered);

// Proves a training schedule right, or throws std::logic_error that names rank and action: each stage does
// each microbatch's forward once, and its backward once, whole or in both parts, in an order that the parts
// allow; and no standstill on buffered transport.
void check_schedule(const Schedule& schedule);

// The most stage activations that each rank keeps at one time: from their forward's begin to the end of their
// backward, or of their weight gradient where that stands apart. Does not depend on time, only on each rank's
// order.
std::vector<int64_t> peak_activations(const Schedule& schedule);

// A line a rank with a column for each unit of time, as the papers draw it:
//   rank 0   F0 F1 .  .  B0 -- .  B1 --
//   rank 1   .  F0 B0 -- F1 B1 --
// "--" goes on with a whole backward, "." waits.
std::string schedule_text(const Schedule& schedule);

}  // namespace sextant::parallel
