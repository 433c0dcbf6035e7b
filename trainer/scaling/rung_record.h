#pragma once

#include <filesystem>
#include <optional>

#include "trainer/run.pb.h"

// What a run's folder tells of the run: has it ended, with what, and is it the run that is meant?
namespace sextant::trainer {

// The held-out loss that stands in FOLDER/metrics.jsonl for this step; none where it has not been measured.
std::optional<double> held_out_loss_at(const std::filesystem::path& folder, int64_t step);

// Throws Error(kInput), with every difference, where the folder of `planned` holds a run whose settings lead
// to another loss: model, optimizer, numerics, data, steps, batch, seed, held-out rows. A folder without a
// run passes. `planned` is complete.
void require_same_run(const Run& planned);

}  // namespace sextant::trainer
