#pragma once

#include <cstdint>
#include <filesystem>

namespace sextant::trainer {

// What had to be taken out of a file of {"step": ...} lines before a run may go on writing to it.
struct StepLinesRepair {
  int64_t later_lines = 0;    // of steps after resume_step: they will be trained again
  int64_t damaged_lines = 0;  // not a whole JSON object with a step: torn by a crash
};

// Removes, durably, the lines of steps after `resume_step` and torn ones. An absent file stays absent. Throws
// Error(kEnvironment) when the file can not be rewritten.
StepLinesRepair repair_step_lines(const std::filesystem::path& path, int64_t resume_step);

}  // namespace sextant::trainer
