#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "parallel/group.h"
#include "parallel/rehearsal_group.h"

namespace sextant::trainer {

// What the verbs of a group cost between the ranks of a run, as measured or as said by its figures.
class Network {
 public:
  // Links of so many seconds a message and so many bytes a second, each way, for every rank.
  Network(double latency_seconds, double bytes_per_second);

  // Between the ranks of this world, all of them at it at one time, in numbers of these types on their
  // devices, which the world must carry. All ranks must call, two or more. Takes a second or two.
  static Network measured(parallel::Group& world, at::Device device,
                          const std::vector<at::ScalarType>& types);

  // Seconds of one call.
  double seconds(const parallel::Traffic::Call& call) const;

 private:
  struct Point {
    double bytes, seconds;  // sent by a rank; of one call
  };
  Network() = default;

  int64_t members_ = 2;  // of the group in which it was measured
  std::map<std::pair<parallel::Verb, at::ScalarType>, std::vector<Point>> curves_;  // by rising bytes
};

// Of a run on several machines. A group whose members are neighbours among the ranks of one machine stays
// inside: those of tensor parallelism do, before others.
struct Networks {
  Network inside, between;
  int64_t ranks_on_machine = 1;

  // Of all these calls, one after the other.
  double seconds(const std::map<parallel::Traffic::Call, double>& calls) const;
};

// Bytes that a rank sends in a call, by the algorithms that move least: rings, each rank an n-th of the
// tensor a turn (Thakur, Rabenseifner & Gropp 2005, section 4). `bytes` of the whole tensor.
double bytes_sent(parallel::Verb verb, int64_t members, double bytes);

}  // namespace sextant::trainer
