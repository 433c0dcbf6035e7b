#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "parallel/group.h"

// Collectives that cut a tensor, or put it together, along one of its dims, where a group's verbs know only
// a first dim of n pieces. Without autograd (parallel/autograd_collectives.h has it). Each cuts its dim into
// n equal parts, part r being rank r's; a dim that n does not divide is our own bug. n = group.size(); all
// ranks of the group must call together, with equal shapes. A group of one rank gives x itself.
namespace sextant::parallel {

// How parts of a sum are added up.
enum class SumOrder {
  kAny,   // as the library does it
  kTree,  // as tree_sum() does it, by rank: a power of two of them
};

// A tensor on its way: the memory of a collective under way, and how its result is laid out.
class Arriving {
 public:
  // Waits, and gives the result. Once.
  at::Tensor take();
  // Moves the transfer on without blocking.
  void progress();

 private:
  friend Arriving start_gather(const at::Tensor&, int64_t, Group&);
  friend Arriving start_reduce_scatter(const at::Tensor&, int64_t, Group&, SumOrder);
  friend Arriving start_exchange(const at::Tensor&, int64_t, int64_t, Group&);

  std::unique_ptr<Work> work_;  // null: `result_` is there
  at::Tensor sent_;             // alive until the work is done
  at::Tensor result_;
  int64_t joined_dim_ = -1;  // result_ is [n, part]: its pieces are put side by side along this dim
  bool summed_ = false;      // result_ is [n, part]: its pieces are added up
};

// The parts of all ranks side by side. [.., d, ..] to [.., n d, ..]
Arriving start_gather(const at::Tensor& part, int64_t dim, Group& group);

// The sum over ranks of what each brings; part r goes to rank r. [.., d, ..] to [.., d/n, ..]
Arriving start_reduce_scatter(const at::Tensor& whole, int64_t dim, Group& group,
                              SumOrder order = SumOrder::kAny);

// Part r along split_dim goes to rank r; what the ranks send here stands side by side along concat_dim, in
// their order. [.., s, .., c, ..] to [.., s/n, .., n c, ..]
Arriving start_exchange(const at::Tensor& x, int64_t split_dim, int64_t concat_dim, Group& group);

// The same at once.
at::Tensor gathered(const at::Tensor& part, int64_t dim, Group& group);
at::Tensor reduce_scattered(const at::Tensor& whole, int64_t dim, Group& group,
                            SumOrder order = SumOrder::kAny);
at::Tensor exchanged(const at::Tensor& x, int64_t split_dim, int64_t concat_dim, Group& group);

}  // namespace sextant::parallel
