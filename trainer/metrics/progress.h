#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "trainer/metrics/step_metrics.h"

namespace sextant::trainer {

// How progress is shown: one line refreshed in place, or a plain line now and then (files, pipes).
enum class ProgressStyle { kRefreshed, kPlain };

// kRefreshed where `descriptor` is a terminal of known width, else kPlain. mpirun hides the terminal from its
// ranks; launch/run.sh says through SEXTANT_TERMINAL_COLUMNS that there is one.
ProgressStyle progress_style(int descriptor);
// Columns of that terminal; 80 where it does not say.
size_t terminal_columns(int descriptor);

// "step 120/1000  loss 3.2145  ...  left 3m12s", in at most `columns` characters: what matters least goes
// first.
std::string progress_line(const StepMetrics& metrics, int64_t steps, double seconds_left, size_t columns);

// 192.4 -> "3m12s".
std::string duration_text(double seconds);
// 12345 -> "12.3k".
std::string count_text(double count);
// 1932735283 -> "1.80 GiB".
std::string bytes_text(int64_t bytes);

struct ProgressSettings {
  int64_t steps = 0;       // where the run ends
  int64_t log_every = 10;  // plain style: a line at multiples of this, at the first step and at the last,
  double at_least_every_s = 30;  // and whenever the last line is older than this
  double refresh_every_s = 0.1;  // refreshed style: no more often than this
};

// The run's progress on a terminal or in a log. Rank 0 alone has one.
class Progress {
 public:
  // Writes to `descriptor`, which stays the caller's.
  Progress(int descriptor, ProgressStyle style, ProgressSettings settings, Clock clock = steady_seconds);
  // Ends a line that is being refreshed.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // After each step.
  void update(const StepMetrics& metrics);
  // Whole lines of text between (a sample, "checkpoint saved"); the refreshed line moves below.
  void note(std::string_view text);
  // Leaves the last line as it stands, ended by a newline.
  void finish();

 private:
  bool due(const StepMetrics& metrics) const;
  void show();
  void put(std::string_view text);

  int descriptor_;
  ProgressStyle style_;
  ProgressSettings settings_;
  Clock clock_;
  StepMetrics last_;
  double held_out_loss_;  // the newest one; NaN before the first
  double mean_step_seconds_ = 0;
  int64_t updates_ = 0;
  double shown_at_;
  bool line_open_ = false;
};

}  // namespace sextant::trainer
