#include "trainer/kernels/share_out.h"

#include <ATen/Parallel.h>

namespace sextant::trainer {

void share_out(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& work) {
  at::parallel_for(begin, end, grain, work);
}

}  // namespace sextant::trainer
