#include "trainer/optimizer/clip.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace sextant::trainer {

double global_norm(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return 0;
  at::NoGradGuard no_gradient;
  at::Tensor norms = at::stack(at::_foreach_norm(tensors, 2)).to(at::kDouble);  // [parameters]
  return std::sqrt(norms.square().sum().item<double>());
}

double clip_scale(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / norm : 1.0;
}

}  // namespace sextant::trainer
