#pragma once

#include <chrono>

// How long ranks wait for each other.
namespace sextant::parallel {

// Wall-clock seconds that this thread has spent so far in Work::wait() and in barriers of groups of threads
// or MPI ranks, for whatever reason: bytes under way, or another rank that is late. Never goes back. NCCL's
// wait() only orders streams and is not counted.
double waited_seconds();

// Counts its own life as waiting. Such timers don't nest.
class WaitingTimer {
 public:
  WaitingTimer() = default;
  ~WaitingTimer();
  WaitingTimer(const WaitingTimer&) = delete;
  WaitingTimer& operator=(const WaitingTimer&) = delete;

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace sextant::parallel
