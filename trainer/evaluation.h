#pragma once

#include <cstdint>

#include "data/loader.h"
#include "parallel/group.h"
#include "trainer/loss.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// Mean loss over the first `count` held-out microbatches, without training. The loader's steps are single
// microbatches, seen whole by every rank; they are dealt out round robin to the ranks of `data`, so the rows
// are the same for every number of them. Each takes equally many: one that has run out takes a row's tokens
// without counting them. All ranks of the `world` must call.
double held_out_loss(Passes& passes, data::Loader& microbatches, int64_t count, const LossFunction& loss,
                     parallel::Group& data, parallel::Group& world);

}  // namespace sextant::trainer
