#include "parallel/ring.h"

#include <ATen/ATen.h>

#include <optional>

namespace sextant::parallel {
namespace {

// A tensor on its way to the next rank, and the one before's on its way here.
class Hop {
 public:
  Hop(Group& group, at::Tensor out) : out_(std::move(out)), in_(at::empty_like(out_)) {
    int64_t rank = group.rank().value(), n = group.size();
    // Where messages go one after the other (NCCL), not all ranks may begin with a send.
    if (rank % 2 == 0) sent_ = group.send_async(out_, Rank((rank + 1) % n));
    received_ = group.recv_async(in_, Rank((rank + n - 1) % n));
    if (rank % 2 == 1) sent_ = group.send_async(out_, Rank((rank + 1) % n));
  }

  at::Tensor finish() {
    received_->wait();
    sent_->wait();
    return in_;
  }

 private:
  at::Tensor out_, in_;
  std::unique_ptr<Work> received_, sent_;
};

Rank owner_at(const Group& group, int64_t step) {
  return Rank((group.rank().value() + group.size() - step) % group.size());
}

}  // namespace

void around_ring(Group& group, const at::Tensor& mine, const RingVisit& visit) {
  at::Tensor held = mine;
  for (int64_t step = 0; step < group.size(); ++step) {
    std::optional<Hop> hop;
    if (step + 1 < group.size()) hop.emplace(group, held);
    visit(owner_at(group, step), held);
    if (hop) held = hop->finish();
  }
}

at::Tensor around_ring_summing(Group& group, const at::Tensor& mine, const at::Tensor& zeros,
                               const RingSummingVisit& visit) {
  at::Tensor held = mine, sum = zeros;
  std::optional<Hop> sums;
  for (int64_t step = 0; step < group.size(); ++step) {
    std::optional<Hop> hop;
    if (step + 1 < group.size()) hop.emplace(group, held);
    RingAddition add = visit(owner_at(group, step), held);
    if (sums) sum = sums->finish();
    if (add) add(sum);
    // After its last visit a sum goes one rank further: home.
    if (group.size() > 1) sums.emplace(group, sum);
    if (hop) held = hop->finish();
  }
  return sums ? sums->finish() : sum;
}

}  // namespace sextant::parallel
