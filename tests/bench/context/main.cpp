// mpirun -n N context_bench [TIME] [ROUNDS] [fp32|bf16]: causal attention of one sequence, forward and
// backward, by one rank with one thread and by N ranks with one thread each, in turn, in one run.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <thread>

#include "parallel/group_mpi.h"
#include "trainer/context_cut.h"
#include "trainer/kernels/attention.h"
#include "trainer/kernels/ring_attention.h"
#include "trainer/kernels/ulysses_attention.h"

namespace sextant::bench {
namespace {

using parallel::Group;
using parallel::MeshSettings;
using trainer::ContextCut;

constexpr int64_t kHeads = 12, kKeyHeads = 4, kWidth = 64;

struct Seconds {
  double wall, processor;  // of this process
};

Seconds seconds_of(const std::function<void()>& work) {
  auto start = std::chrono::steady_clock::now();
  std::clock_t processor = std::clock();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Queries, keys, values and the result's gradient of one sequence, [1, T, heads, D].
struct Sequence {
  at::Tensor query, key, value, grad;

  Sequence(int64_t time, at::ScalarType type) {
    at::manual_seed(1);  // the same on all ranks
    auto rows = [&](int64_t heads) { return at::randn({1, time, heads, kWidth}).to(type); };
    query = rows(kHeads), key = rows(kKeyHeads), value = rows(kKeyHeads), grad = rows(kHeads);
  }
  Sequence cut(const ContextCut& cut) const {
    Sequence part = *this;
    for (at::Tensor* each : {&part.query, &part.key, &part.value, &part.grad}) *each = cut(*each).clone();
    return part;
  }
  void train(const std::function<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>&
                 attention) const {
    auto leaf = [](const at::Tensor& x) { return x.detach().requires_grad_(true); };
    attention(leaf(query), leaf(key), leaf(value)).backward(grad);
  }
};

at::Tensor ring(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, Group& context) {
  return trainer::ring_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), {}, context)
      .transpose(1, 2);
}

at::Tensor alone(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return trainer::causal_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), {})
      .transpose(1, 2);
}

// Rank 0 works, the others sleep: a rank that waits in MPI would keep a core busy.
void rank_zero_alone(Group& world, const std::function<void()>& work) {
  at::Tensor signal = at::zeros({1});
  if (world.rank() == Rank(0)) {
    work();
    for (int64_t r = 1; r < world.size(); ++r) world.send(signal, Rank(r));
    return;
  }
  auto done = world.recv_async(signal, Rank(0));
  while (!done->progress()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  done->wait();
}

struct Times {
  std::vector<double> wall, processor;

  // What the slowest rank took.
  void add(Group& world, Seconds mine) {
    auto slowest = parallel::reduce_numbers(world, {mine.wall, mine.processor}, parallel::Reduce::kMax);
    wall.push_back(slowest[0]);
    processor.push_back(slowest[1]);
  }
};

void compare(Group& world, int64_t time, int64_t rounds, at::ScalarType type) {
  Sequence whole(time, type);
  auto part_of = [&](MeshSettings::ContextKind kind) {
    return whole.cut({kind, world.rank().value(), world.size()});
  };
  Sequence zig_zag = part_of(MeshSettings::ring), stretch = part_of(MeshSettings::ulysses);
  Times one, by_ring, by_ulysses;
  for (int64_t round = 0; round <= rounds; ++round) {
    Seconds single{};
    rank_zero_alone(world, [&] { single = seconds_of([&] { whole.train(alone); }); });
    world.barrier();
    Seconds shared =
        seconds_of([&] { zig_zag.train([&](auto& q, auto& k, auto& v) { return ring(q, k, v, world); }); });
    world.barrier();
    Seconds exchanged = seconds_of([&] {
      stretch.train(
          [&](auto& q, auto& k, auto& v) { return trainer::ulysses_attention(q, k, v, {}, world); });
    });
    if (round == 0) continue;  // first touch of the memory
    one.add(world, single);
    by_ring.add(world, shared);
    by_ulysses.add(world, exchanged);
  }
  if (world.rank() != Rank(0)) return;
  auto line = [&](const char* name, const Times& times) {
    fmt::print("| {} | {} | {} | {:.3f} | {:.3f} | {:.2f} | {:.2f} |\n", name, time, at::toString(type),
               median(times.wall), median(times.processor), median(one.wall) / median(times.wall),
               median(one.processor) / median(times.processor));
  };
  line("one rank", one);
  line(fmt::format("ring, {} ranks", world.size()).c_str(), by_ring);
  line(fmt::format("ulysses, {} ranks", world.size()).c_str(), by_ulysses);
}

}  // namespace
}  // namespace sextant::bench

int main(int count, char** arguments) {
  using namespace sextant;
  at::set_num_threads(1);
  int64_t time = count > 1 ? std::atoll(arguments[1]) : 8192,
          rounds = count > 2 ? std::atoll(arguments[2]) : 5;
  std::string type = count > 3 ? arguments[3] : "";
  parallel::MpiSession session;
  auto world = session.world();
  if (world->rank() == Rank(0)) {
    fmt::print(
        "one sequence, {} query and {} key heads of {}, forward and backward, one thread a rank, "
        "median of {}\n\n",
        bench::kHeads, bench::kKeyHeads, bench::kWidth, rounds);
    fmt::print(
        "| attention | tokens | type | wall s | processor s | x one rank, wall | by processor time |\n"
        "|---|---|---|---|---|---|---|\n");
  }
  if (type != "bf16") bench::compare(*world, time, rounds, at::kFloat);
  if (type != "fp32") bench::compare(*world, time, rounds, at::kBFloat16);
  return 0;
}
