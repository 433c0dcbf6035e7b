#pragma once

#include <cstdint>

#include "data/loader.h"
#include "parallel/group.h"
#include "trainer/loss.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer {

// Mean loss over the first `count` held-out microbatches, without training. The loader's steps are single
// microbatches, seen whole by every rank; they are dealt out round robin, so the rows are the same for every
// number of ranks. All ranks of `replicas` (data x context) must call.
double held_out_loss(const Transformer& model, data::Loader& microbatches, int64_t count,
                     const LossFunction& loss, parallel::Group& replicas);

}  // namespace sextant::trainer
