#pragma once

#include <vector>

#include "parallel/group.h"
#include "rlhf/experience.pb.h"

namespace sextant::rlhf {

// The episodes of all ranks of a group, rank after rank, on each of them. All must call together.
std::vector<Episode> gather_episodes(const std::vector<Episode>& mine, parallel::Group& group);

}  // namespace sextant::rlhf
