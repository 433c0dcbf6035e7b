#include "trainer/expert_balance.h"

#include <ATen/ATen.h>

namespace sextant::trainer {

void clear_expert_loads(const Transformer& model) {
  for (const auto& [layer, router] : model.routers()) router->clear_load();
}

double balance_experts(const Transformer& model, parallel::Group& world) {
  int64_t count = model.settings().experts().count();
  if (count == 0) return 0;
  auto options = at::TensorOptions().dtype(at::kLong).device(model.parameters().device());
  at::Tensor loads = at::zeros({model.settings().layers(), count}, options);
  for (const auto& [layer, router] : model.routers()) loads[layer].copy_(router->load());
  world.all_reduce(loads);
  for (const auto& [layer, router] : model.routers()) router->balance(loads[layer]);
  at::Tensor whole = loads.to(at::kCPU, at::kDouble);
  at::Tensor mean = whole.mean(1).clamp_min(1e-300);  // layers without experts have none
  return (whole.amax(1) / mean).max().item<double>();
}

}  // namespace sextant::trainer
