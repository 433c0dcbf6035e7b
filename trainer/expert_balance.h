#pragma once

#include "parallel/group.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer {

// Forgets what experts were chosen for. Before a step's first backward.
void clear_expert_loads(const Transformer& model);

// After a step's last backward: sums each layer's choices over all ranks, moves the biases that balance the
// experts without a loss (trainer/model/router), and returns the largest share of choices that an expert of
// any layer had, times the number of experts: 1 when all are even. 0 for a dense model, without a collective;
// else all ranks of `world` must call, whatever stages they have.
double balance_experts(const Transformer& model, parallel::Group& world);

}  // namespace sextant::trainer
