#include "parallel/waited_seconds.h"

namespace sextant::parallel {
namespace {

// Of the thread, since ranks may be threads of one process.
thread_local double seconds_waited = 0;

}  // namespace

double waited_seconds() {
  return seconds_waited;
}

WaitingTimer::~WaitingTimer() {
  seconds_waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

}  // namespace sextant::parallel
