#include "trainer/metrics/breakdown.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

namespace sextant::trainer {

const char* time_kind_name(TimeKind kind) {
  switch (kind) {
    case TimeKind::kData:
      return "data";
    case TimeKind::kForward:
      return "forward";
    case TimeKind::kBackward:
      return "backward";
    case TimeKind::kCommunication:
      return "communication";
    case TimeKind::kOptimizer:
      return "optimizer";
    case TimeKind::kCheckpoint:
      return "checkpoint";
    case TimeKind::kOther:
      return "other";
  }
  return "other";
}

double KindSeconds::sum() const {
  return std::accumulate(seconds_.begin(), seconds_.end(), 0.0);
}

KindSeconds& KindSeconds::operator+=(const KindSeconds& other) {
  for (size_t kind = 0; kind < kTimeKinds; ++kind) seconds_[kind] += other.seconds_[kind];
  return *this;
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Breakdown::Breakdown(Clock clock, Clock waited)
    : clock_(std::move(clock)), waited_(std::move(waited)), since_(clock_()), waited_since_(waited_()) {}

void Breakdown::switch_to(TimeKind next) {
  double now = clock_();
  double waited = waited_();
  step_[TimeKind::kCommunication] += waited - waited_since_;
  step_[current_] += (now - since_) - (waited - waited_since_);
  since_ = now;
  waited_since_ = waited;
  current_ = next;
}

Breakdown::Timer::Timer(Breakdown& breakdown, TimeKind kind)
    : breakdown_(breakdown), outer_(breakdown.current_) {
  breakdown_.switch_to(kind);
}

Breakdown::Timer::~Timer() {
  breakdown_.switch_to(outer_);
}

KindSeconds Breakdown::end_step() {
  switch_to(current_);
  ++steps_;
  total_ += step_;
  return std::exchange(step_, KindSeconds());
}

std::string Breakdown::table() const {
  double whole = total_.sum();
  std::string text = fmt::format("time by kind, {} steps, {:.1f} s\n", steps_, whole);
  for (TimeKind kind : kAllTimeKinds) {
    double seconds = total_[kind];
    double share = whole > 0 ? 100 * seconds / whole : 0;
    double per_step = steps_ > 0 ? seconds / static_cast<double>(steps_) : 0;
    text += fmt::format("  {:<14}{:>10.1f} s {:>6.1f} % {:>12.6f} s a step\n", time_kind_name(kind), seconds,
                        share, per_step);
  }
  return text;
}

}  // namespace sextant::trainer
