#include "trainer/run_log.h"

#include <fmt/format.h>
#include <unistd.h>

namespace sextant::trainer {

RunLog::RunLog(const std::filesystem::path& run_folder, const RunSettings& settings, Step resume,
               Step last_step)
    : metrics_(run_folder, resume.value()),
      tensorboard_(run_folder, resume.value()),
      samples_(run_folder, resume),
      progress_(STDOUT_FILENO, progress_style(STDOUT_FILENO), {last_step.value(), settings.log_every()}) {
  const auto& repair = metrics_.repair();
  if (repair.later_lines > 0) {
    note(fmt::format("removed {} lines of metrics.jsonl after step {}: these steps are trained again",
                     repair.later_lines, resume.value()));
  }
}

void RunLog::record(const StepMetrics& metrics) {
  metrics_.write(metrics);
  tensorboard_.write(metrics);
}

void RunLog::samples(Step step, const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) {
    samples_.write(step, sample);
    note(fmt::format("step {} sample: {} ▸{}", step.value(), sample.prompt, sample.text));
  }
}

}  // namespace sextant::trainer
