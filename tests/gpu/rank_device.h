#pragma once

#include <c10/cuda/CUDAFunctions.h>

#include "tests/mpi/session.h"

namespace sextant::parallel {

// Makes this rank's GPU the current one, ranks of a machine in turn, and says whether each has one of its
// own.
inline bool choose_device() {
  const int64_t devices = c10::cuda::device_count_ensure_non_zero();
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(session().local_rank().value() % devices));
  return session().local_size() <= devices;
}

}  // namespace sextant::parallel
