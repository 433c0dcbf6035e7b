#include "parallel/waited_seconds.h"

namespace sextant::parallel {
namespace {

// Of the thread, since ranks may be threads of one process.
thread_local double waited = 0;

}  // namespace

double waited_seconds() {
  return waited;
}

WaitingTimer::~WaitingTimer() {
  waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

}  // namespace sextant::parallel
