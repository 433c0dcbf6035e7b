#include <ATen/Parallel.h>
#include <sanitizer/tsan_interface.h>

#include "trainer/kernels/share_out.h"

// Stands in for share_out.cpp under ThreadSanitizer. GNU's OpenMP starts and ends a team's work by futexes of
// its own, which the sanitizer does not see: whatever the caller wrote before would race with the team's
// reading, and the other way round. This source is not instrumented itself and says what the barriers order,
// and no more: two threads of a team are still unordered, so that a race between them is found.
namespace sextant::trainer {

void share_out(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& work) {
  char begun = 0, ended = 0;
  __tsan_release(&begun);
  at::parallel_for(begin, end, grain, [&](int64_t first, int64_t last) {
    __tsan_acquire(&begun);
    work(first, last);
    __tsan_release(&ended);
  });
  __tsan_acquire(&ended);
}

}  // namespace sextant::trainer
