#pragma once

#include "launch/training_session.h"

namespace sextant::launch {

// Next-token training on token shards: what `sextant pretrain` does, and every rung of a ladder.
TrainingStage pretraining();

}  // namespace sextant::launch
