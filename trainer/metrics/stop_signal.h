#pragma once

#include <atomic>
#include <csignal>

namespace sextant::trainer {

// Turns signals into a wish to stop in good order. USR1 and TERM set it, and more of them change nothing; so
// does the first INT (Ctrl-C), while a second INT ends the process at once. main owns the only one; the
// handlers from before come back when it dies, unless it was asked to stop: then USR1 and TERM stay without
// effect, for the process is about to leave with a code of its own.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const { return signal_.load() != 0; }
  // Which signal asked first; 0: none.
  int signal() const { return signal_.load(); }

 private:
  static void handle(int signal);

  std::atomic<int> signal_{0};
  std::atomic<bool> interrupted_{false};
  struct sigaction before_usr1_ {
  }, before_term_{}, before_int_{};
};

}  // namespace sextant::trainer
