#pragma once

#include <cstdint>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/optimizer/optimizer.pb.h"

namespace sextant::trainer {

// What is wrong with the schedule over a run of so many steps, with keys under "optimizer". Works before and
// after fill_optimizer_defaults.
std::vector<Complaint> optimizer_complaints(const OptimizerSettings& optimizer, int64_t steps);

// Sets warmup_steps (2 % of the steps), decay_steps (20 %) and adamw_learning_rate (learning_rate) where they
// were left out.
void fill_optimizer_defaults(OptimizerSettings& optimizer, int64_t steps);

}  // namespace sextant::trainer
