#include "tests/bench/kernels/measure.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "trainer/kernels/instruction_set.h"

namespace sextant::bench {
namespace {

// The process's processor time over its threads: where others compete for the cores, waiting for one is not
// the kernel's time. Threads of a pool that wait for each other count.
double seconds_of(const std::function<void()>& work) {
  std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / at::get_num_threads();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double best_of(int rounds, const std::function<void()>& work) {
  double best = seconds_of(work);
  for (int i = 1; i < rounds; ++i) best = std::min(best, seconds_of(work));
  return best;
}

double matmul_flops(at::ScalarType type) {
  at::Tensor a = at::randn({2048, 2048}).to(type), b = at::randn({2048, 2048}).to(type),
             c = at::empty_like(a);
  return 2.0 * 2048 * 2048 * 2048 / best_of(7, [&] { at::mm_out(c, a, b); });
}

}  // namespace

Limits measure_limits() {
  constexpr int64_t kNumbers = 1 << 25;  // 128 MiB each: far beyond the cores' own caches
  at::Tensor a = at::ones({kNumbers}), b = at::ones({kNumbers}), c = at::empty({kNumbers});
  double seconds = best_of(7, [&] { at::add_out(c, a, b); });
  return {3.0 * 4 * kNumbers / seconds, matmul_flops(at::kFloat), matmul_flops(at::kBFloat16)};
}

void print_header(const Limits& limits) {
  fmt::print("{} threads, instructions: {}; processor time over threads\n", at::get_num_threads(),
             trainer::name_of(trainer::instruction_set()));
  fmt::print("limits: memory {:.1f} GB/s, at::mm {:.0f} GFLOP/s fp32, {:.0f} GFLOP/s bf16\n\n",
             limits.bytes_per_second / 1e9, limits.fp32_flops / 1e9, limits.bf16_flops / 1e9);
  fmt::print(
      "| kernel | type | ms | rate | of the limit | ATen ms | ATen / ours "
      "|\n|---|---|---|---|---|---|---|\n");
}

void run(const Contest& contest, const Limits& limits, int rounds) {
  contest.ours();
  contest.aten();
  std::vector<double> ours, aten;
  for (int i = 0; i < rounds; ++i) {
    ours.push_back(seconds_of(contest.ours));
    aten.push_back(seconds_of(contest.aten));
  }
  double mine = median(ours), theirs = median(aten);
  bool memory = contest.bound == Bound::kMemory;
  double limit =
      memory ? limits.bytes_per_second : (contest.type == "bf16" ? limits.bf16_flops : limits.fp32_flops);
  fmt::print("| {} | {} | {:.2f} | {:.1f} {} | {:.0f} % | {:.2f} | {:.1f} |\n", contest.name, contest.type,
             mine * 1e3, contest.work / mine / 1e9, memory ? "GB/s" : "GFLOP/s",
             100 * contest.work / mine / limit, theirs * 1e3, theirs / mine);
}

}  // namespace sextant::bench
