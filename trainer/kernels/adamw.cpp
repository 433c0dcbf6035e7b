#include "trainer/kernels/adamw.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/adamw.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

// Parameters are cut into stretches of so many numbers: big enough to hide the call, small enough to share
// out.
constexpr int64_t kStretch = 32768;

AdamWRates rates_of(const AdamWConstants& constants, int64_t count, double gradient_scale) {
  auto updates = static_cast<double>(count);
  AdamWRates rates{};
  rates.gradient_scale = static_cast<float>(gradient_scale);
  rates.one_minus_beta1 = static_cast<float>(1 - constants.beta1);
  rates.beta2 = static_cast<float>(constants.beta2);
  rates.one_minus_beta2 = static_cast<float>(1 - constants.beta2);
  rates.kept = static_cast<float>(1 - constants.learning_rate * constants.weight_decay);
  rates.step = static_cast<float>(constants.learning_rate / (1 - std::pow(constants.beta1, updates)));
  rates.root_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(constants.beta2, updates)));
  rates.epsilon = static_cast<float>(constants.epsilon);
  return rates;
}

SplitMemory from(const SplitMemory& memory, int64_t first) {
  return {memory.value + first, memory.low + first, memory.ties + first / 8};
}

void cut(const AdamWTensors& tensors, std::vector<AdamWStretch>& stretches) {
  bool split = tensors.split.defined();
  int64_t total = tensors.grad.numel();
  auto* master = memory_of<float>(tensors.master);
  auto* copy = memory_of<Bf16>(tensors.copy);
  SplitMemory parts = split ? tensors.split.memory() : SplitMemory{};
  for (int64_t first = 0; first < total; first += kStretch) {
    stretches.push_back({split ? nullptr : master + first, memory_of<float>(tensors.grad) + first,
                         memory_of<float>(tensors.first_moment) + first,
                         memory_of<float>(tensors.second_moment) + first,
                         copy != nullptr ? copy + first : nullptr, split ? from(parts, first) : SplitMemory{},
                         std::min(kStretch, total - first)});
  }
}

}  // namespace

bool fits_adamw(const std::vector<AdamWTensors>& tensors) {
  auto plain = [](const at::Tensor& x, at::ScalarType type) {
    return x.is_cpu() && x.scalar_type() == type && x.is_contiguous();
  };
  return std::all_of(tensors.begin(), tensors.end(), [&](const AdamWTensors& each) {
    return (each.split.defined() || plain(each.master, at::kFloat)) && plain(each.grad, at::kFloat) &&
           plain(each.first_moment, at::kFloat) && plain(each.second_moment, at::kFloat) &&
           (!each.copy.defined() || plain(each.copy, at::kBFloat16));
  });
}

void adamw(const std::vector<AdamWTensors>& tensors, const AdamWConstants& constants, int64_t count,
           double gradient_scale, InstructionSet set) {
  std::vector<AdamWStretch> stretches;
  for (const AdamWTensors& each : tensors) cut(each, stretches);
  AdamWRates rates = rates_of(constants, count, gradient_scale);
  auto update = pick(set, plain::kAdamWKernels, avx2::kAdamWKernels, avx512::kAdamWKernels).update;
  share_out(0, static_cast<int64_t>(stretches.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) update(stretches[i], rates);
  });
}

}  // namespace sextant::trainer
