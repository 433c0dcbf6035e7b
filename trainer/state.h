#pragma once

#include <vector>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/guard.h"
#include "trainer/model/transformer.h"
#include "trainer/step.h"

namespace sextant::trainer {

// The training state as checkpoints name it: "weights/NAME" of what this rank owns, and the optimizer's
// tensors beside them. Tensors are the live ones: reading into them restores, reading from them saves.
std::vector<StateTensor> training_state(const TrainStep& step);

// Scalars that go on with a run: how many updates the optimizer has done, how many in a row were left out,
// and the quantum of reproducible sums.
void record_counters(const TrainStep& step, const Guard& guard, Manifest& header);
int64_t recorded_updates_left_out(const Manifest& manifest);

// Fills whole weights from a checkpoint, and the values that follow from them. No collectives.
void restore_weights(const CheckpointReader& reader, const ParameterList& parameters);
// Fills some of what this rank owns, and the model's buffers. No collectives.
void restore_pieces(const CheckpointReader& reader, const std::vector<OwnedPiece>& pieces,
                    const ParameterList& parameters);
// Fill what this rank owns from a checkpoint. No collectives: step.refresh_values() must follow, on all
// ranks.
void restore_weights(const CheckpointReader& reader, const TrainStep& step);
void restore_training(const CheckpointReader& reader, TrainStep& step);

}  // namespace sextant::trainer
