#pragma once

#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// What parallel.context asks of the model: sequences that can be cut into equal pieces, over the tensor ranks
// too, and for ulysses heads for each rank.
std::vector<Complaint> context_complaints(const Run& run);

}  // namespace sextant::trainer
