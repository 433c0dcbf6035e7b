#pragma once

// How long ranks wait for each other.
namespace sextant::parallel {

// Wall-clock seconds that this thread has spent so far in Work::wait() and in barriers of groups of threads
// or MPI ranks, for whatever reason: bytes under way, or another rank that is late. Never goes back. Under
// NCCL wait() only orders streams, and nothing is counted.
double waited_seconds();

// Counts its own life as waiting. Such timers don't nest.
class WaitingTimer {
 public:
  WaitingTimer();
  ~WaitingTimer();
  WaitingTimer(const WaitingTimer&) = delete;
  WaitingTimer& operator=(const WaitingTimer&) = delete;

 private:
  double begin_;
};

}  // namespace sextant::parallel
