#include "trainer/kernels/activation.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/activation.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kActivationGrain = 8192;  // numbers that are worth a thread

ActivationPass<float> pass_of(InstructionSet set, float) {
  return pick(set, plain::kActivationKernels, avx2::kActivationKernels, avx512::kActivationKernels).fp32;
}

ActivationPass<Bf16> pass_of(InstructionSet set, Bf16) {
  return pick(set, plain::kActivationKernels, avx2::kActivationKernels, avx512::kActivationKernels).bf16;
}

at::Tensor dense(const at::Tensor& x) {
  return x.defined() ? x.contiguous() : x;
}

template <class Number>
Number* at_index(Number* memory, int64_t i) {
  return memory != nullptr ? memory + i : nullptr;
}

at::Tensor vector_forward(const at::Tensor& gate, const at::Tensor& up, InstructionSet set) {
  at::Tensor gates = dense(gate), ups = dense(up), activated = at::empty_like(ups);
  with_number(up, [&](auto number) {
    using Number = decltype(number);
    auto forward = pass_of(set, number).forward;
    auto *g = memory_of<Number>(gates), *u = memory_of<Number>(ups), *a = memory_of<Number>(activated);
    share_out(0, up.numel(), kActivationGrain, [&](int64_t first, int64_t last) {
      forward(at_index(g, first), u + first, a + first, last - first);
    });
  });
  return activated;
}

ActivationGradients vector_backward(const at::Tensor& grad, const at::Tensor& gate, const at::Tensor& up,
                                    InstructionSet set) {
  at::Tensor grads = dense(grad), gates = dense(gate), ups = dense(up);
  ActivationGradients result{gate.defined() ? at::empty_like(gates) : at::Tensor(), at::empty_like(ups)};
  with_number(up, [&](auto number) {
    using Number = decltype(number);
    auto backward = pass_of(set, number).backward;
    auto *d = memory_of<Number>(grads), *g = memory_of<Number>(gates), *u = memory_of<Number>(ups);
    auto *dgate = memory_of<Number>(result.gate), *dup = memory_of<Number>(result.up);
    share_out(0, up.numel(), kActivationGrain, [&](int64_t first, int64_t last) {
      backward(d + first, at_index(g, first), u + first, at_index(dgate, first), dup + first, last - first);
    });
  });
  return result;
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class Activation : public torch::autograd::Function<Activation> {
 public:
  static at::Tensor forward(AutogradContext* context, const std::optional<at::Tensor>& gate,
                            const at::Tensor& up) {
    at::Tensor maybe_gate = gate.value_or(at::Tensor());
    context->save_for_backward({maybe_gate, up});
    return activation_forward(maybe_gate, up);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto gradients = activation_backward(grads[0], saved[0], saved[1]);
    return {gradients.gate, gradients.up};
  }
};

}  // namespace

at::Tensor activation_forward(const at::Tensor& gate, const at::Tensor& up, InstructionSet set) {
  if (fits_simd(up)) return vector_forward(gate, up, set);
  if (!gate.defined()) return at::gelu(up, "tanh");
  return at::silu(gate).mul_(up);
}

ActivationGradients activation_backward(const at::Tensor& grad, const at::Tensor& gate, const at::Tensor& up,
                                        InstructionSet set) {
  if (fits_simd(up)) return vector_backward(grad, gate, up, set);
  if (!gate.defined()) return {at::Tensor(), at::gelu_backward(grad, up, "tanh")};
  at::Tensor dup = at::silu(gate).mul_(grad);
  return {at::silu_backward(grad * up, gate), dup};
}

at::Tensor activation(const at::Tensor& gate, const at::Tensor& up) {
  return Activation::apply(gate.defined() ? std::optional(gate) : std::nullopt, up);
}

}  // namespace sextant::trainer
