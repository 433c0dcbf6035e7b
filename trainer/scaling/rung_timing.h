#pragma once

#include "trainer/run.pb.h"

namespace sextant::trainer {

// Seconds that one update of this run takes on one rank with the threads that there are: timed over updates
// of one and of two microbatches of random tokens, the lower of two tries each, and from these worked out for
// all the microbatches of run.global_batch. The settings must be complete, with a vocabulary; layouts are not
// considered. Runs for about seven microbatches and needs one rank's memory for the model.
double seconds_per_update(const Run& run);

}  // namespace sextant::trainer
