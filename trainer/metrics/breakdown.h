#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "parallel/waited_seconds.h"

namespace sextant::trainer {

// What a step's time is spent on.
enum class TimeKind { kData, kForward, kBackward, kCommunication, kOptimizer, kCheckpoint, kOther };
inline constexpr size_t kTimeKinds = 7;
inline constexpr std::array<TimeKind, kTimeKinds> kAllTimeKinds = {
    TimeKind::kData,      TimeKind::kForward,    TimeKind::kBackward, TimeKind::kCommunication,
    TimeKind::kOptimizer, TimeKind::kCheckpoint, TimeKind::kOther};

// "data", "forward" ...
const char* time_kind_name(TimeKind kind);

// Seconds of each kind.
class KindSeconds {
 public:
  double& operator[](TimeKind kind) { return seconds_[static_cast<size_t>(kind)]; }
  double operator[](TimeKind kind) const { return seconds_[static_cast<size_t>(kind)]; }
  double sum() const;
  KindSeconds& operator+=(const KindSeconds& other);

 private:
  std::array<double, kTimeKinds> seconds_{};
};

// Seconds since some fixed moment; never goes back.
using Clock = std::function<double()>;
double steady_seconds();

// Where the time of each step goes. Timers nest, and the innermost one gets the time. What is spent waiting
// for other ranks (parallel::waited_seconds) is communication, whatever timer runs: the sums of a
// tensor-parallel layer inside forward, too. What no timer covers is kOther, so the kinds add up to the
// whole. Belongs to one thread, the training loop's. A timer costs two readings of the clock.
class Breakdown {
 public:
  explicit Breakdown(Clock clock = steady_seconds, Clock waited = parallel::waited_seconds);

  class [[nodiscard]] Timer {
   public:
    Timer(Breakdown& breakdown, TimeKind kind);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    Breakdown& breakdown_;
    TimeKind outer_;
  };
  // Time from now until the result dies belongs to `kind`.
  Timer measure(TimeKind kind) { return {*this, kind}; }

  // Seconds by kind since the last call (or since the start), and a new step begins. A timer may be running.
  KindSeconds end_step();
  // Over all steps that have ended.
  const KindSeconds& total() const { return total_; }
  int64_t steps() const { return steps_; }
  // A few lines for the end of a run: seconds, share and seconds a step for each kind.
  std::string table() const;

 private:
  // Books the time since the last switch on the current kind, and makes `next` the current one.
  void switch_to(TimeKind next);

  Clock clock_, waited_;
  double since_, waited_since_;
  TimeKind current_ = TimeKind::kOther;
  KindSeconds step_, total_;
  int64_t steps_ = 0;
};

}  // namespace sextant::trainer
