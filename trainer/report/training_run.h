#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "trainer/report/run_settings.h"

namespace sextant::trainer {

// A run folder of any stage of training as the report's page shows it (docs/report.md):
//   "stage"     "pretrain", "supervised", "ppo" ..., "" where config.yaml does not say
//   "notes"     what is odd about the folder, in words for people
//   "final"     name -> the number of the last line that has it, beside "step", "tokens", "training_seconds"
//   "axes"      [{"step": [...], "tokens": [...]}], "curves" {name: {"axis": i, "y": [...]}} at most 2,000
//               points each, no spike left out (trainer/report/thinning)
//   "starts"    [{"seconds": since 1970, "from_step"}]
//   "samples"   lines of samples.jsonl as they are, of at most 40 steps
//   "prediction" of a run that began with one: as registered, with "outcome", "relative_error", "sha256"
//   "settings"  [{"key", "value", "default", "changed"}]
// Damage of the files becomes a note. Throws Error(kInput) when metrics.jsonl has no line of a step.
nlohmann::ordered_json training_run(const std::filesystem::path& folder, const KindOfFile& kind);

}  // namespace sextant::trainer
