#include "trainer/kernels/norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "trainer/kernels/norm_rows.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// bf16 and half are widened for arithmetic; fp32 and fp64 stay.
at::Tensor widened(const at::Tensor& x) {
  return at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
}

std::optional<at::Tensor> given(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

class Norm : public torch::autograd::Function<Norm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, double epsilon) {
    at::Tensor maybe_bias = bias.value_or(at::Tensor());
    auto [y, statistics] = norm_forward(x, weight, maybe_bias, epsilon);
    context->save_for_backward({x, weight, maybe_bias, statistics.mean, statistics.reciprocal_spread});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto gradients = norm_backward(grads[0], saved[0], saved[1], saved[2], {saved[3], saved[4]});
    return {gradients.x, gradients.weight, gradients.bias, at::Tensor()};
  }
};

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& addend,
                               const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                               double epsilon) {
    at::Tensor maybe_bias = bias.value_or(at::Tensor());
    auto [total, normed, statistics] = add_norm_forward(x, addend, weight, maybe_bias, epsilon);
    context->save_for_backward({total, weight, maybe_bias, statistics.mean, statistics.reciprocal_spread});
    return {total, normed};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto gradients = norm_backward(grads[1], saved[0], saved[1], saved[2], {saved[3], saved[4]}, grads[0]);
    return {gradients.x, gradients.x, gradients.weight, gradients.bias, at::Tensor()};
  }
};

}  // namespace

std::tuple<at::Tensor, NormStatistics> norm_forward(const at::Tensor& x, const at::Tensor& weight,
                                                    const at::Tensor& bias, double epsilon,
                                                    InstructionSet set) {
  if (fits_simd(x)) {
    AddedNorm result = norm_rows_forward(x, at::Tensor(), weight, bias, epsilon, set);
    return {result.normed, result.statistics};
  }
  if (bias.defined()) {
    auto [y, mean, reciprocal] = at::native_layer_norm(x, {x.size(-1)}, weight, bias, epsilon);
    return {y, {mean, reciprocal}};
  }
  at::Tensor wide = widened(x);
  at::Tensor reciprocal = at::rsqrt(at::mean(wide * wide, -1, true).add_(epsilon));  // [..., 1]
  at::Tensor y = (wide * reciprocal).mul_(weight);
  return {y.to(x.scalar_type()), {at::Tensor(), reciprocal}};
}

AddedNorm add_norm_forward(const at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight,
                           const at::Tensor& bias, double epsilon, InstructionSet set) {
  if (fits_simd(x)) return norm_rows_forward(x, addend, weight, bias, epsilon, set);
  at::Tensor total = x + addend;
  auto [normed, statistics] = norm_forward(total, weight, bias, epsilon, set);
  return {total, normed, statistics};
}

NormGradients norm_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const NormStatistics& statistics, const at::Tensor& skip,
                            InstructionSet set) {
  if (fits_simd(x)) return norm_rows_backward(grad, x, weight, bias, statistics, skip, set);
  NormGradients gradients;
  if (bias.defined()) {
    auto [dx, dweight, dbias] =
        at::native_layer_norm_backward(grad.contiguous(), x, {x.size(-1)}, statistics.mean,
                                       statistics.reciprocal_spread, weight, bias, {true, true, true});
    gradients = {dx, dweight, dbias};
  } else {
    at::Tensor normalised = widened(x) * statistics.reciprocal_spread;  // [..., C]
    at::Tensor wide_grad = widened(grad);
    at::Tensor dweight = (wide_grad * normalised).reshape({-1, x.size(-1)}).sum(0);
    at::Tensor scaled = wide_grad * weight;
    at::Tensor along = (scaled * normalised).mean(-1, true);  // [..., 1]
    at::Tensor dx = scaled.sub_(normalised.mul_(along)).mul_(statistics.reciprocal_spread);
    gradients = {dx.to(x.scalar_type()), dweight.to(weight.scalar_type()), at::Tensor()};
  }
  if (skip.defined()) gradients.x.add_(skip);
  return gradients;
}

at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  if (!at::GradMode::is_enabled()) return std::get<0>(norm_forward(x, weight, bias, epsilon));
  return Norm::apply(x, weight, given(bias), epsilon);
}

TotalAndNorm add_norm(const at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight,
                      const at::Tensor& bias, double epsilon) {
  variable_list results = AddNorm::apply(x, addend, weight, given(bias), epsilon);
  return {results[0], results[1]};
}

}  // namespace sextant::trainer
