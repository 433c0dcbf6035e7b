#pragma once

#include "data/loader.h"
#include "parallel/group.h"
#include "trainer/assembly.h"

namespace sextant::rlhf {

// Sets a reward model's bias so that the answers in one epoch of `demonstrations`, a row a step, score 0 on
// average (Ouyang et al. 2022, section 3.5): pairwise losses do not see the bias, which so only makes the
// rewards of different models comparable. Returns the average before. All ranks of the world must call.
double centre_scores(const trainer::Assembly& assembly, data::Loader& demonstrations, parallel::Group& world);

}  // namespace sextant::rlhf
