#include "parallel/waited_seconds.h"

#include <chrono>

namespace sextant::parallel {
namespace {

// Of the thread, since ranks may be threads of one process.
thread_local double waited = 0;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

double waited_seconds() {
  return waited;
}

WaitingTimer::WaitingTimer() : begin_(now()) {}

WaitingTimer::~WaitingTimer() {
  waited += now() - begin_;
}

}  // namespace sextant::parallel
