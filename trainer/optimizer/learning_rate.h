#pragma once

#include "parallel/base/number.h"
#include "trainer/optimizer/optimizer.pb.h"

namespace sextant::trainer {

// The learning rate of the update that follows `step` finished ones, in a run of `steps` updates. s counts
// from 0:
//   warm-up   s < w:        peak (s + 1) / w
//   cosine    afterwards:   last + (peak - last) (1 + cos(pi (s - w) / (steps - w))) / 2   (Loshchilov &
//   Hutter 2017) linear    afterwards:   peak + (last - peak) (s - w) / (steps - w) wsd       peak until
//   steps - d, then peak + (last - peak) (s - (steps - d) + 1) / d     (Hu et al. 2024) constant  peak
// with last = peak * final_fraction. A pure function: nothing to save or restore.
double learning_rate(const OptimizerSettings& settings, Step step, int64_t steps);

}  // namespace sextant::trainer
