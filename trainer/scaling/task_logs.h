#pragma once

#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/scaling/sigmoid.h"
#include "trainer/scaling/task.pb.h"

namespace sextant::trainer {

// What one run's log says of one task.
struct TaskHistory {
  double parameters = 0;
  double tokens = 0;                    // at its end
  LossAndAccuracy final;                // means of its last `smooth` checkpoints
  std::vector<LossAndAccuracy> course;  // moving averages, without the first `skip_share` of checkpoints
};

// Everything that is wrong with a ladder across its fields.
std::vector<Complaint> task_ladder_complaints(const TaskLadder& ladder);

// Reads a run's log. Throws Error(kInput) naming file, line and column where it can not be used.
TaskHistory read_task_log(const TaskLadder& ladder, const TaskLog& run, const TaskColumns& task);

// Means of the last `window` values at each place, of fewer at the front.
std::vector<double> moving_average(const std::vector<double>& values, size_t window);

}  // namespace sextant::trainer
