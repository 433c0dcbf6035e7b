#include "trainer/metrics/stop_signal.h"

#include <cerrno>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// A signal handler can be handed nothing else: this is how it finds the object that main owns.
std::atomic<StopSignal*> alive{nullptr};
static_assert(std::atomic<StopSignal*>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "only lock-free atomics may be touched in a signal handler");

}  // namespace

void StopSignal::handle(int signal) {
  StopSignal* self = alive.load();
  if (self == nullptr) return;
  if (signal == SIGINT && self->interrupted_.exchange(true)) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  int none = 0;
  self->signal_.compare_exchange_strong(none, signal);
}

StopSignal::StopSignal() {
  StopSignal* none = nullptr;
  expect(alive.compare_exchange_strong(none, this), "a process has one StopSignal");
  struct sigaction action {};
  action.sa_handler = &StopSignal::handle;
  action.sa_flags = SA_RESTART;  // reads and writes under way go on
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGUSR1, &action, &before_usr1_);
  ::sigaction(SIGTERM, &action, &before_term_);
  ::sigaction(SIGINT, &action, &before_int_);
}

StopSignal::~StopSignal() {
  if (requested()) {
    // The run is leaving with a code of its own. mpirun sends TERM to whoever is still there once one rank
    // has left with another code than 0, and would report that a rank was killed.
    std::signal(SIGUSR1, SIG_IGN);
    std::signal(SIGTERM, SIG_IGN);
  } else {
    ::sigaction(SIGUSR1, &before_usr1_, nullptr);
    ::sigaction(SIGTERM, &before_term_, nullptr);
  }
  ::sigaction(SIGINT, &before_int_, nullptr);
  alive.store(nullptr);
}

}  // namespace sextant::trainer
