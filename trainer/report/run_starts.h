#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sextant::trainer {

// A start of a run: the first one, or one that went on from a checkpoint.
struct RunStart {
  double seconds = 0;     // since 1970
  int64_t from_step = 0;  // updates that were done before
};

// The starts of a run in their order, as TensorBoard's event files say (one for each start,
// docs/metrics_format.md). Files that do not say it are passed over.
std::vector<RunStart> run_starts(const std::filesystem::path& run_folder);

}  // namespace sextant::trainer
