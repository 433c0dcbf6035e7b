#include "trainer/metrics/peak_flops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "trainer/kernels/linear.h"

namespace sextant::trainer {
namespace {

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Seconds of one multiply of size n; reading a number back waits for a GPU. Processor time leaves out what
// other programs took of the cores meanwhile: a peak measured while a neighbour compiles would make every MFU
// too high.
double seconds_of_multiply(const at::Tensor& a, const at::Tensor& b) {
  double processor = processor_seconds();
  auto start = std::chrono::steady_clock::now();
  at::matmul(a, b)[0][0].item<double>();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (a.is_cuda()) return seconds;
  return std::min(seconds, (processor_seconds() - processor) / at::get_num_threads());
}

}  // namespace

double measured_peak_flops(at::ScalarType type, at::Device device) {
  at::NoGradGuard no_gradient;
  int64_t size = device.is_cuda() ? 8192 : (type == at::kDouble ? 512 : 1024);
  auto options = at::TensorOptions().dtype(product_type(type, device)).device(device);
  at::Tensor a = at::ones({size, size}, options), b = at::ones({size, size}, options);
  seconds_of_multiply(a, b);  // threads start, kernels are chosen
  double best = seconds_of_multiply(a, b), spent = best;
  while (spent < 0.1) {
    double seconds = seconds_of_multiply(a, b);
    best = std::min(best, seconds);
    spent += seconds;
  }
  return 2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size) / best;
}

}  // namespace sextant::trainer
