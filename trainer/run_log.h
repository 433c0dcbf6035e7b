#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/metrics/metrics.h"
#include "trainer/metrics/progress.h"
#include "trainer/metrics/tensorboard.h"
#include "trainer/run.pb.h"
#include "trainer/samples.h"

namespace sextant::trainer {

// Everything that rank 0 writes down about a run while it goes: metrics.jsonl, TensorBoard's file,
// samples.jsonl and the terminal.
class RunLog {
 public:
  // `last_step` is where this start of the run will end; `resume` the step that it goes on from.
  RunLog(const std::filesystem::path& run_folder, const RunSettings& settings, Step resume, Step last_step);

  // The progress line, after every step.
  void progress(const StepMetrics& metrics) { progress_.update(metrics); }
  // metrics.jsonl and TensorBoard.
  void record(const StepMetrics& metrics);
  void samples(Step step, const std::vector<Sample>& samples);
  // A line on the terminal that stays.
  void note(const std::string& text) { progress_.note(text); }
  // Before a checkpoint is published: what led to it is on disk.
  void sync() { metrics_.sync(); }
  void finish() { progress_.finish(); }

 private:
  MetricsLog metrics_;
  TensorBoardLog tensorboard_;
  SamplesLog samples_;
  Progress progress_;
};

}  // namespace sextant::trainer
