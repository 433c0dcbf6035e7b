#pragma once

#include "parallel/gradient_reducer.h"
#include "parallel/group.h"
#include "parallel/holders.h"

namespace sextant::trainer {

// The Euclidean norm of the whole model's gradient after reducer.finish(): each number of the whole counts
// once, however many ranks hold it, because each rank adds up its own range of every bucket. Fast sums add
// squares in floating point; reproducible ones as integers, relative to the largest number, so that layouts
// make no difference. All ranks of `world` must call, and get the same number; no finite one where a gradient
// is not finite.
double gradient_norm(const parallel::GradientReducer& gradients, const parallel::BucketLayout& layout,
                     const parallel::Holders& holders, parallel::Group& world, parallel::Reduction reduction);

}  // namespace sextant::trainer
