#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/base/number.h"
#include "parallel/mpi_environment.h"

// Sums of many numbers over the ranks of a communicator. Included by the sources of group_mpi only.
namespace sextant::parallel {

// From how many numbers on a sum is made by parts: below, it is the messages that take time.
constexpr int64_t kManyNumbers = 65536;

struct SumPlace {
  MPI_Comm comm;
  Rank rank;
  int64_t size;
  uint64_t sequence;  // of this sum among the communicator's, equal on all ranks
};

// numbers = their sum over the ranks: each rank adds up its part, in the ranks' order, and hands it out. On
// the CPU, flat, in less bytes than an int counts. Open MPI 4.1's own nonblocking sum of two ranks sends all
// numbers both ways, and adds integers one by one: twice the processor time for fp32, three times for 64-bit
// integers.
void sum_by_parts(Requests& started, const SumPlace& place, const at::Tensor& numbers);

}  // namespace sextant::parallel
