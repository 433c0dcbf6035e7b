#pragma once

#include <filesystem>
#include <string>

#include "trainer/metrics/append_file.h"
#include "trainer/metrics/step_lines.h"
#include "trainer/metrics/step_metrics.h"

namespace sextant::trainer {

// One line of metrics.jsonl, without its newline (docs/metrics_format.md). Floats have 17 significant digits,
// which read back to the same bits; what is not finite is null, so that every line is JSON.
std::string metrics_line(const StepMetrics& metrics);

// RUN_FOLDER/metrics.jsonl: a JSON object a line, written by rank 0 alone. Each line is in the file before
// write() returns.
class MetricsLog {
 public:
  // Opens the file to go on after `resume_step` (0: from the start). Lines of later steps and torn lines are
  // removed, durably. Throws Error(kEnvironment) when the folder can not be written.
  MetricsLog(const std::filesystem::path& run_folder, int64_t resume_step);

  void write(const StepMetrics& metrics) { file_.append(metrics_line(metrics) + "\n"); }
  // A line of its own: {"step": step, ...}.
  void write_extra(int64_t step, const Scalars& scalars);
  // Survives a power cut from here on; called before a checkpoint is published.
  void sync() { file_.sync(); }

  const StepLinesRepair& repair() const { return repair_; }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  StepLinesRepair repair_;
  AppendFile file_;
};

}  // namespace sextant::trainer
