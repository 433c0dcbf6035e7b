#pragma once

#include <cstdint>
#include <vector>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"
#include "trainer/step.h"

namespace sextant::trainer {

// Where run.start_from is given: sets the keys of model that were left out to those of the checkpoint that
// the run starts from (or of its own newest one, once it has any), and returns what was given otherwise than
// the checkpoint has it. A rotary model's context may be chosen anew. Reads a manifest alone; no collectives.
std::vector<Complaint> adopt_model(Run& config);

// Fills what this rank owns: from the checkpoint, and a scalar head that it has not from (seed, name, index).
// No collectives: step.refresh_values() must follow, on all ranks.
void start_weights(const CheckpointReader& checkpoint, uint64_t run_seed, const TrainStep& step);

// Throws Error(kInput) when the checkpoint was trained with a tokenizer that gives other ids.
void check_start(const CheckpointReader& checkpoint, uint64_t tokenizer_fingerprint);

}  // namespace sextant::trainer
