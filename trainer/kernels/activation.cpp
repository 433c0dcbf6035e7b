#include "trainer/kernels/activation.h"

#include <ATen/ATen.h>

namespace sextant::trainer {

at::Tensor activation_forward(const at::Tensor& gate, const at::Tensor& up) {
  if (!gate.defined()) return at::gelu(up, "tanh");
  return at::silu(gate).mul_(up);
}

ActivationGradients activation_backward(const at::Tensor& grad, const at::Tensor& gate,
                                        const at::Tensor& up) {
  if (!gate.defined()) return {at::Tensor(), at::gelu_backward(grad, up, "tanh")};
  at::Tensor dup = at::silu(gate).mul_(grad);
  return {at::silu_backward(grad * up, gate), dup};
}

}  // namespace sextant::trainer
