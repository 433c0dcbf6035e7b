#include "trainer/plan/network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "parallel/base/error.h"
#include "trainer/metrics/breakdown.h"

namespace sextant::trainer {
namespace {

using parallel::Group;
using parallel::Verb;

// Turns in which n ranks can tell each other something.
double turns(int64_t members) {
  return std::max(1.0, std::ceil(std::log2(static_cast<double>(members))));
}

// One call over a tensor of `elements`, a multiple of the group's size.
void call(Group& group, Verb verb, at::Tensor& whole, at::Tensor& other) {
  int64_t n = group.size(), me = group.rank().value();
  at::Tensor pieces = whole.view({n, -1}), piece = other.view({n, -1})[me];
  switch (verb) {
    case Verb::kAllReduce:
      return group.all_reduce(whole);
    case Verb::kAllGather:
      return group.all_gather(pieces, piece);
    case Verb::kReduceScatter:
      return group.reduce_scatter(piece, pieces);
    case Verb::kAllToAll:
      return group.all_to_all(pieces, other.view({n, -1}));
    case Verb::kBroadcast:
      return group.broadcast(whole, Rank(0));
    case Verb::kSend: {
      auto arriving = group.recv_async(other, Rank((me + n - 1) % n));
      group.send(whole, Rank((me + 1) % n));
      return arriving->wait();
    }
  }
}

// A call that takes longer is tried once, and no larger one after it: a slow network is known soon.
constexpr double kLongCall = 0.2;

// Of the slowest rank.
double median_seconds(Group& group, Verb verb, at::Tensor& whole, at::Tensor& other) {
  auto one = [&] {
    group.barrier();
    double before = steady_seconds();
    call(group, verb, whole, other);
    (whole[0] + other[0]).item<double>();  // on a GPU a verb has ended when its numbers can be read
    return steady_seconds() - before;
  };
  auto slowest = [&](double seconds) {
    return parallel::reduce_numbers(group, {seconds}, parallel::Reduce::kMax)[0];
  };
  double first = slowest(one());
  if (first > kLongCall) return first;
  std::array<double, 5> tries{};
  for (double& each : tries) each = one();
  std::sort(tries.begin(), tries.end());
  return slowest(tries[tries.size() / 2]);
}

}  // namespace

double bytes_sent(Verb verb, int64_t members, double bytes) {
  double others = static_cast<double>(members - 1) / static_cast<double>(members);
  switch (verb) {
    case Verb::kAllReduce:
      return 2 * others * bytes;
    case Verb::kAllGather:
    case Verb::kReduceScatter:
    case Verb::kAllToAll:
      return others * bytes;
    case Verb::kBroadcast:
    case Verb::kSend:
      return bytes;
  }
  return bytes;
}

Network::Network(double latency_seconds, double bytes_per_second) {
  for (Verb verb : parallel::kAllVerbs) {
    double steps = verb == Verb::kAllReduce ? 2 : 1;
    curves_[{verb, at::kFloat}] = {{0, steps * latency_seconds},
                                   {1e9, steps * latency_seconds + 1e9 / bytes_per_second}};
  }
}

Network Network::measured(Group& world, at::Device device, const std::vector<at::ScalarType>& types) {
  expect(world.size() > 1, "a network has two ends");
  Network network;
  network.members_ = world.size();
  constexpr std::array<int64_t, 4> kBytes = {1 << 10, 1 << 16, 1 << 20, 1 << 24};
  for (at::ScalarType type : types) {
    for (int64_t bytes : kBytes) {
      int64_t elements = bytes / static_cast<int64_t>(c10::elementSize(type)) / world.size() * world.size();
      auto options = at::TensorOptions().dtype(type).device(device);
      at::Tensor whole = at::zeros({elements}, options), other = at::zeros({elements}, options);
      for (Verb verb : parallel::kAllVerbs) {
        std::vector<Point>& curve = network.curves_[{verb, type}];
        if (curve.size() > 1 && curve.back().seconds > kLongCall) continue;
        curve.push_back({bytes_sent(verb, world.size(), static_cast<double>(bytes)),
                         median_seconds(world, verb, whole, other)});
      }
    }
  }
  return network;
}

// Straight lines between the points, and the last line beyond; a small call costs what the smallest one does.
double Network::seconds(const parallel::Traffic::Call& call) const {
  if (call.members < 2) return 0;
  auto found = curves_.find({call.verb, call.type});
  const std::vector<Point>& curve =
      found != curves_.end() ? found->second : curves_.at({call.verb, at::kFloat});
  double bytes = bytes_sent(call.verb, call.members, static_cast<double>(call.bytes));
  double more_turns = curve.front().seconds * (turns(call.members) / turns(members_) - 1);
  if (bytes <= curve.front().bytes) return curve.front().seconds + more_turns;
  size_t upper = 1;
  while (upper + 1 < curve.size() && curve[upper].bytes < bytes) ++upper;
  const Point &a = curve[upper - 1], &b = curve[upper];
  return a.seconds + (b.seconds - a.seconds) * (bytes - a.bytes) / (b.bytes - a.bytes) + more_turns;
}

double Networks::seconds(const std::map<parallel::Traffic::Call, double>& calls) const {
  double sum = 0;
  for (const auto& [call, count] : calls) {
    sum += count * (call.span <= ranks_on_machine ? inside : between).seconds(call);
  }
  return sum;
}

}  // namespace sextant::trainer
