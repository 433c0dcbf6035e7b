#pragma once

#include <vector>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/guard.h"
#include "trainer/model/transformer.h"
#include "trainer/optimizer/optimizer.h"

namespace sextant::trainer {

// The training state as checkpoints name it: "weights/NAME", and the optimizer's tensors beside them. Tensors
// are the live ones: reading into them restores, reading from them saves.
std::vector<StateTensor> weights_state(const ParameterList& parameters);
std::vector<StateTensor> training_state(const ParameterList& parameters, const Optimizer& optimizer);

// Scalars that go on with a run: how many updates the optimizer has done, and how many in a row were left
// out.
void record_counters(const Optimizer& optimizer, const Guard& guard, Manifest& header);
int64_t recorded_updates_left_out(const Manifest& manifest);

// Fills the live tensors from a checkpoint and refreshes what follows from them. No collectives.
void restore_weights(const CheckpointReader& reader, const ParameterList& parameters);
void restore_training(const CheckpointReader& reader, const ParameterList& parameters, Optimizer& optimizer);

}  // namespace sextant::trainer
