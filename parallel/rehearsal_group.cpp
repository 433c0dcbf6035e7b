#include "parallel/rehearsal_group.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "parallel/group_checks.h"

namespace sextant::parallel {
namespace {

// Numbers as activations and gradients have them, again and again over the tensor.
void fill_with_noise(const at::Tensor& tensor) {
  at::NoGradGuard no_gradient;
  if (!tensor.is_floating_point()) {
    tensor.zero_();
    return;
  }
  constexpr int64_t kPeriod = 1 << 14;
  at::Tensor flat = tensor.view(-1);
  at::Tensor noise = at::sin(at::arange(std::min(kPeriod, flat.numel()), at::kFloat) * 1.7)
                         .to(flat.device(), flat.scalar_type());
  for (int64_t begin = 0; begin < flat.numel(); begin += kPeriod) {
    int64_t count = std::min(kPeriod, flat.numel() - begin);
    flat.narrow(0, begin, count).copy_(noise.narrow(0, 0, count));
  }
}

// Memory of a rank that is there, and costs next to no time: a byte of each page is written.
at::Tensor touched(int64_t bytes) {
  constexpr int64_t kPage = 4096;
  at::Tensor memory = at::empty({bytes}, at::kByte);
  auto* data = memory.data_ptr<uint8_t>();
  for (int64_t i = 0; i < bytes; i += kPage) data[i] = 0;
  return memory;
}

// Bytes that MPI adds up apart from the tensor itself: of half precision a copy in fp32, and the parts of the
// others.
int64_t bytes_to_sum(const at::Tensor& tensor, int64_t received) {
  if (!tensor.is_cpu()) return 0;
  bool half = tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kHalf;
  return half ? 2 * (static_cast<int64_t>(tensor.nbytes()) + received) : received;
}

// Calls of progress() that a sum takes. Open MPI 4.1 on one machine: an all_reduce 4 to 6 for 1 MB, 4 to 10
// for 25 MB, 11 to 21 for 50 MB. Ranks that keep only what they own have few buckets under way and soon wait
// for the oldest one, which seldom is there before (seen in runs: their memory is that of all of them).
int64_t calls_to_sum(Verb verb, int64_t to_sum) {
  constexpr int64_t kFewest = 3, kBytesOfOneMore = 2 << 20;  // of half a tensor: two ranks
  if (to_sum == 0) return 0;
  if (verb == Verb::kReduceScatter) return std::numeric_limits<int64_t>::max();
  return kFewest + to_sum / kBytesOfOneMore;
}

// Its bytes are under way until it is waited for.
class RehearsedWork : public Work {
 public:
  // `calls_needed` of progress() until it is done, unless it is waited for.
  RehearsedWork(Traffic& traffic, int64_t arriving, int64_t to_sum, int64_t calls_needed)
      : traffic_(traffic),
        arriving_(arriving + to_sum),
        memory_(touched(to_sum)),
        calls_needed_(calls_needed) {
    traffic_.expect_bytes(arriving_);
  }
  ~RehearsedWork() override { end(); }
  void wait() override { end(); }
  bool progress() override { return ++calls_ >= calls_needed_; }

 private:
  void end() {
    traffic_.expect_bytes(-std::exchange(arriving_, 0));
    memory_ = at::Tensor();
  }

  Traffic& traffic_;
  int64_t arriving_;
  at::Tensor memory_;
  int64_t calls_ = 0, calls_needed_;
};

class RehearsalGroup : public Group {
 public:
  RehearsalGroup(std::vector<Rank> world, Rank rank, std::string name, Traffic& traffic)
      : world_(std::move(world)), rank_(rank), name_(std::move(name)), traffic_(traffic) {}

  Rank rank() const override { return rank_; }
  int64_t size() const override { return static_cast<int64_t>(world_.size()); }
  const std::string& name() const override { return name_; }
  Rank world_rank(Rank member) const override { return world_[static_cast<size_t>(member.value())]; }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce) override {
    check_reducible(*this, "all_reduce", tensor);
    int64_t part = (bytes_of(tensor) + size() - 1) / size();
    return called(Verb::kAllReduce, tensor, 0, bytes_to_sum(tensor, part * (size() - 1)));
  }
  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override {
    check_pieces(*this, "all_gather", output, input);
    fill(output, input);
    return called(Verb::kAllGather, output, bytes_of(output));
  }
  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override {
    check_reducible(*this, "reduce_scatter", input);
    check_pieces(*this, "reduce_scatter", input, output);
    at::NoGradGuard no_gradient;
    output.copy_(input[rank_.value()].view(output.sizes()));
    return called(Verb::kReduceScatter, input, 0, bytes_to_sum(input, bytes_of(input)));
  }
  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override {
    check_exchange(*this, output, input);
    fill(output, input[rank_.value()]);
    return called(Verb::kAllToAll, output, bytes_of(output));
  }
  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override {
    check_whole(*this, "broadcast", tensor);
    check_member(*this, "broadcast", from);
    if (from != rank_) fill_with_noise(tensor);
    return called(Verb::kBroadcast, tensor, 0);
  }
  std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) override {
    check_whole(*this, "send", tensor);
    check_peer(*this, "send", to);
    return called(Verb::kSend, tensor, 0);
  }
  std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) override {
    check_whole(*this, "recv", tensor);
    check_peer(*this, "recv", from);
    fill_with_noise(tensor);
    return std::make_unique<RehearsedWork>(traffic_, bytes_of(tensor), 0, 0);
  }
  void barrier() override {}

  std::unique_ptr<Group> split(const Seating& seating, const std::string& name) override {
    std::vector<Rank> members = seated_with(seating, rank_, size()), world;
    Rank rank;
    for (Rank member : members) {
      if (member == rank_) rank = Rank(static_cast<int64_t>(world.size()));
      world.push_back(world_rank(member));
    }
    return std::make_unique<RehearsalGroup>(std::move(world), rank, name, traffic_);
  }

 private:
  static int64_t bytes_of(const at::Tensor& tensor) { return static_cast<int64_t>(tensor.nbytes()); }

  // pieces[r] = piece, for every r: not over itself.
  static void fill(const at::Tensor& pieces, const at::Tensor& piece) {
    at::NoGradGuard no_gradient;
    for (int64_t r = 0; r < pieces.size(0); ++r) {
      if (pieces[r].data_ptr() != piece.data_ptr()) pieces[r].copy_(piece.view(pieces[r].sizes()));
    }
  }

  // `arriving`: bytes of the caller's that others fill; `to_sum`: of the verb's own.
  std::unique_ptr<Work> called(Verb verb, const at::Tensor& whole, int64_t arriving, int64_t to_sum = 0) {
    auto [first, last] = std::minmax_element(world_.begin(), world_.end());
    int64_t span = last->value() - first->value() + 1;
    traffic_.add({verb, whole.scalar_type(), size(), span, bytes_of(whole)});
    return std::make_unique<RehearsedWork>(traffic_, arriving, to_sum, calls_to_sum(verb, to_sum));
  }

  std::vector<Rank> world_;  // by member
  Rank rank_;
  std::string name_;
  Traffic& traffic_;
};

}  // namespace

const char* verb_name(Verb verb) {
  switch (verb) {
    case Verb::kAllReduce:
      return "all_reduce";
    case Verb::kAllGather:
      return "all_gather";
    case Verb::kReduceScatter:
      return "reduce_scatter";
    case Verb::kAllToAll:
      return "all_to_all";
    case Verb::kBroadcast:
      return "broadcast";
    case Verb::kSend:
      return "send";
  }
  return "";
}

void Traffic::expect_bytes(int64_t bytes) {
  under_way_ += bytes;
  most_ = std::max(most_, under_way_);
}

std::unique_ptr<Group> rehearsal_group(int64_t size, Rank rank, Traffic& traffic) {
  std::vector<Rank> world;
  for (int64_t r = 0; r < size; ++r) world.emplace_back(r);
  return std::make_unique<RehearsalGroup>(std::move(world), rank, "world", traffic);
}

}  // namespace sextant::parallel
