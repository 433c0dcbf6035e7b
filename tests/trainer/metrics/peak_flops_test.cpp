#include "trainer/metrics/peak_flops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

namespace sextant::trainer::peak_flops_test {
namespace {

// Floating point operations a second of one multiply by the clock on the wall, which is what a step's are
// measured by.
double reached_in_one_multiply() {
  at::Tensor a = at::ones({1024, 1024}), b = at::ones({1024, 1024});
  auto start = std::chrono::steady_clock::now();
  at::matmul(a, b);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return 2.0 * 1024 * 1024 * 1024 / seconds;
}

TEST(PeakFlops, IsWhatMultipliesReach) {
  double peak = 0, reached = 0;  // in turn: a machine that others share is slow for a while, then fast
  for (int i = 0; i < 5; ++i) {
    peak = std::max(peak, measured_peak_flops(at::kFloat, at::kCPU));
    for (int j = 0; j < 2; ++j) reached = std::max(reached, reached_in_one_multiply());
  }
  EXPECT_GT(peak, 0.7 * reached);  // clocks vary
  EXPECT_LT(peak, 1e14);           // far beyond any core of today: something was not counted
}

}  // namespace
}  // namespace sextant::trainer::peak_flops_test
