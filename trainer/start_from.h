#pragma once

#include <cstdint>
#include <vector>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// Where run.start_from is given: sets the keys of model that were left out to those of the checkpoint that
// the run starts from (or of its own newest one, once it has any), and returns what was given otherwise than
// the checkpoint has it. A rotary model's context may be chosen anew. Reads a manifest alone; no collectives.
std::vector<Complaint> adopt_model(Run& config);

// Throws Error(kInput) when the checkpoint was trained with a tokenizer that gives other ids.
void check_start(const CheckpointReader& checkpoint, uint64_t tokenizer_fingerprint);

}  // namespace sextant::trainer
