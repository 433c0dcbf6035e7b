#pragma once

#include <cstdint>
#include <vector>

#include "parallel/schedule.h"

namespace sextant::trainer {

// What a rank is busy with, in seconds.
struct RankTimes {
  double forward = 0, backward = 0;     // of a microbatch, in all stages of the rank
  double rest = 0;                      // of a step besides
  double microbatch_communication = 0;  // in the verbs of a microbatch
  double step_communication = 0;        // in those of a step
};

// How ranks share what they compute and send with.
struct Sharing {
  // Ranks of a machine for each one that its cores can run at a time, at least 1.
  double ranks_a_place = 1;
  // Whether sums of gradients go on beside the last microbatch's backward, on units of their own.
  bool sums_hide_behind_backward = false;
};

struct StepTime {
  double seconds = 0;
  double bubble = 0;         // share of the step in which a rank waits for other stages
  double communication = 0;  // share of the step in verbs that nothing hides
};

// Seconds of a step whose pipeline ranks take these times: its schedule is played through (play()), with
// half of a microbatch's communication in its forward and half in its backward; then come the step's own sums
// and the rest. Ranks that outnumber their places fill each other's waiting, and take as long as all of their
// work together where that is longer.
StepTime step_time(const parallel::ScheduleShape& shape, const std::vector<RankTimes>& ranks,
                   const Sharing& sharing);

}  // namespace sextant::trainer
