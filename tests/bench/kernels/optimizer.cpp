#include <ATen/ATen.h>

#include "tests/bench/kernels/measure.h"
#include "trainer/kernels/adamw.h"

namespace sextant::bench {

// The small model's 10.6 million weights as 40 tensors, gradients scaled and bf16 copies made.
std::vector<Contest> optimizer_contests() {
  constexpr int64_t kTensors = 40, kNumbers = 266000;
  std::vector<trainer::AdamWTensors> ours;
  std::vector<at::Tensor> masters, grads, firsts, seconds, copies, counts;
  for (int64_t i = 0; i < kTensors; ++i) {
    auto make = [&] { return at::rand({kNumbers}); };
    ours.push_back({make(), make(), make(), make(), at::empty({kNumbers}, at::kBFloat16)});
    masters.push_back(make());
    grads.push_back(make());
    firsts.push_back(make());
    seconds.push_back(make());
    copies.push_back(at::empty({kNumbers}, at::kBFloat16));
    counts.push_back(at::full({}, 5.0));
  }
  // Reads four numbers of fp32, writes three of fp32 and one of bf16.
  double bytes = static_cast<double>(kTensors * kNumbers) * (7 * 4 + 2);
  return {{"AdamW with scale and copy", "fp32", Bound::kMemory, bytes,
           [=] {
             trainer::adamw(ours, {1e-4, 0.9, 0.95, 0.1, 1e-8}, 5, 0.9999);
           },
           [=]() mutable {
             at::_foreach_mul_(grads, 0.9999);
             at::_fused_adamw_(masters, grads, firsts, seconds, {}, counts, 1e-4, 0.9, 0.95, 0.1, 1e-8, false,
                               false);
             at::_foreach_copy_(copies, masters);
           }}};
}

}  // namespace sextant::bench
