#include "trainer/metrics/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <vector>

namespace sextant::trainer {
namespace {

constexpr size_t kUsualColumns = 80;
constexpr const char* kColumnsVariable = "SEXTANT_TERMINAL_COLUMNS";
// The mean step's memory: about this many steps back.
constexpr double kMeanSteps = 30;

// What launch/run.sh says about the terminal that mpirun hides; 0: nothing.
size_t announced_columns() {
  const char* text = std::getenv(kColumnsVariable);
  size_t columns = 0;
  if (text != nullptr) {
    std::string_view digits(text);
    std::from_chars(digits.data(), digits.data() + digits.size(), columns);
  }
  return columns;
}

// 0 where `descriptor` is no terminal, or one that nobody looks at (mpirun gives ranks such a one).
size_t real_columns(int descriptor) {
  winsize size{};
  if (::isatty(descriptor) != 1 || ::ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

struct Part {
  int importance;  // the least important goes first where room is short
  std::string text;
};

std::string joined(const std::vector<Part>& parts) {
  std::string line;
  for (const Part& part : parts) line += (line.empty() ? "" : "  ") + part.text;
  return line;
}

}  // namespace

ProgressStyle progress_style(int descriptor) {
  const char* terminal = std::getenv("TERM");
  if (terminal != nullptr && std::string_view(terminal) == "dumb") return ProgressStyle::kPlain;
  bool seen = real_columns(descriptor) > 0 || announced_columns() > 0;
  return seen ? ProgressStyle::kRefreshed : ProgressStyle::kPlain;
}

size_t terminal_columns(int descriptor) {
  for (size_t columns : {real_columns(descriptor), announced_columns()}) {
    if (columns > 0) return columns;
  }
  return kUsualColumns;
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02d}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02d}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02d}h", whole / 86400, whole / 3600 % 24);
}

std::string count_text(double count) {
  if (!std::isfinite(count)) return "?";
  for (auto [size, letter] : {std::pair{1e12, 'T'}, {1e9, 'G'}, {1e6, 'M'}, {1e3, 'k'}}) {
    if (count >= size) return fmt::format("{:.3g}{}", count / size, letter);
  }
  return fmt::format("{:.3g}", count);
}

std::string bytes_text(int64_t bytes) {
  auto count = static_cast<double>(bytes);
  for (auto [shift, unit] : {std::pair{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}}) {
    double size = std::ldexp(1.0, shift);
    if (count >= size) return fmt::format("{:.2f} {}", count / size, unit);
  }
  return fmt::format("{} B", bytes);
}

std::string progress_line(const StepMetrics& metrics, int64_t steps, double seconds_left, size_t columns) {
  std::vector<Part> parts = {
      {9, fmt::format("step {}/{}", metrics.step, steps)},
      {8, fmt::format("loss {:.4f}", metrics.loss)},
  };
  if (metrics.valid_loss) parts.push_back({6, fmt::format("held-out {:.4f}", *metrics.valid_loss)});
  if (metrics.skipped > 0) parts.push_back({7, fmt::format("skipped {}", metrics.skipped)});
  parts.push_back({3, fmt::format("lr {:.2e}", metrics.learning_rate)});
  parts.push_back({5, fmt::format("{} tok/s", count_text(metrics.tokens_per_second))});
  if (std::isfinite(metrics.mfu)) parts.push_back({2, fmt::format("MFU {:.1f} %", 100 * metrics.mfu)});
  parts.push_back({1, bytes_text(metrics.memory_bytes)});
  parts.push_back({7, fmt::format("left {}", duration_text(seconds_left))});

  std::string line = joined(parts);
  while (line.size() > columns && parts.size() > 1) {
    auto less = [](const Part& a, const Part& b) { return a.importance < b.importance; };
    parts.erase(std::min_element(parts.begin(), parts.end(), less));
    line = joined(parts);
  }
  return line.substr(0, columns);
}

Progress::Progress(int descriptor, ProgressStyle style, ProgressSettings settings, Clock clock)
    : descriptor_(descriptor),
      style_(style),
      settings_(settings),
      clock_(std::move(clock)),
      held_out_loss_(std::numeric_limits<double>::quiet_NaN()),
      shown_at_(-std::numeric_limits<double>::infinity()) {}

Progress::~Progress() {
  finish();
}

bool Progress::due(const StepMetrics& metrics) const {
  bool special =
      updates_ == 1 || metrics.step >= settings_.steps || metrics.valid_loss || metrics.skipped > 0;
  double waited = clock_() - shown_at_;
  if (style_ == ProgressStyle::kRefreshed) return special || waited >= settings_.refresh_every_s;
  return special || metrics.step % settings_.log_every == 0 || waited >= settings_.at_least_every_s;
}

void Progress::update(const StepMetrics& metrics) {
  ++updates_;
  // An average that weighs the first few steps equally and forgets slowly afterwards.
  double weight = 1 / std::min(static_cast<double>(updates_), kMeanSteps);
  mean_step_seconds_ += weight * (metrics.step_seconds - mean_step_seconds_);
  last_ = metrics;
  if (metrics.valid_loss) held_out_loss_ = *metrics.valid_loss;
  if (due(metrics)) show();
}

void Progress::show() {
  shown_at_ = clock_();
  double left = mean_step_seconds_ * static_cast<double>(std::max<int64_t>(0, settings_.steps - last_.step));
  if (style_ == ProgressStyle::kPlain) {
    put(progress_line(last_, settings_.steps, left, std::string::npos) + "\n");
    return;
  }
  StepMetrics shown = last_;
  if (!std::isnan(held_out_loss_)) shown.valid_loss = held_out_loss_;
  // The last column stays free: some terminals wrap as soon as it is filled. "\33[K" clears what was longer
  // before.
  put("\r" + progress_line(shown, settings_.steps, left, terminal_columns(descriptor_) - 1) + "\33[K");
  line_open_ = true;
}

void Progress::note(std::string_view text) {
  std::string lines = line_open_ ? "\r\33[K" : "";
  lines += text;
  if (!text.ends_with('\n')) lines += '\n';
  put(lines);
  if (line_open_) show();
}

void Progress::finish() {
  if (!line_open_) return;
  show();
  put("\n");
  line_open_ = false;
}

// A terminal that has gone away must not end a run: what can not be shown is dropped.
void Progress::put(std::string_view text) {
  while (!text.empty()) {
    ssize_t count = ::write(descriptor_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace sextant::trainer
