#pragma once

#include <cstdint>
#include <map>

#include "parallel/rehearsal_group.h"
#include "trainer/automatic_layout.h"
#include "trainer/plan/step_time.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// A rank's time and traffic from the model's shape alone, for machines that are not here.

// Floating point operations a second that training reaches on a rank: of its peak, the share.
struct Speed {
  double peak_flops = 0;
  double share = 0.4;  // of the peak, in a large run (Chowdhery et al. 2022, table 3: 0.21 to 0.46)
};

// The verbs of the layout, as rehearse() would see them, of the rank at a place of the pipeline's middle.
struct EstimatedCalls {
  std::map<parallel::Traffic::Call, double> of_microbatch, of_step;
};
EstimatedCalls estimated_calls(const Run& config, const parallel::MeshSettings& mesh, int64_t ranks);

// Forward and backward of a microbatch by its floating point operations (training_flops_per_token, a third of
// them forward; full recomputation makes one forward more), cut evenly over the ranks of a model. Without
// communication.
RankTimes estimated_times(const Run& config, const parallel::MeshSettings& mesh, const Speed& speed);

}  // namespace sextant::trainer
