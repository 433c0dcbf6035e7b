#include "trainer/kernels/norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include <optional>

namespace sextant::trainer {
namespace {

// bf16 and half are widened for arithmetic; fp32 and fp64 stay.
at::Tensor widened(const at::Tensor& x) {
  return at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
}

class Norm : public torch::autograd::Function<Norm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias, double epsilon) {
    at::Tensor maybe_bias = bias.value_or(at::Tensor());
    auto [y, statistics] = norm_forward(x, weight, maybe_bias, epsilon);
    context->save_for_backward({x, weight, maybe_bias, statistics.mean, statistics.reciprocal_spread});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto gradients = norm_backward(grads[0], saved[0], saved[1], saved[2], {saved[3], saved[4]});
    return {gradients.x, gradients.weight, gradients.bias, at::Tensor()};
  }
};

}  // namespace

std::tuple<at::Tensor, NormStatistics> norm_forward(const at::Tensor& x, const at::Tensor& weight,
                                                    const at::Tensor& bias, double epsilon) {
  if (bias.defined()) {
    auto [y, mean, reciprocal] = at::native_layer_norm(x, {x.size(-1)}, weight, bias, epsilon);
    return {y, {mean, reciprocal}};
  }
  at::Tensor wide = widened(x);
  at::Tensor reciprocal = at::rsqrt(at::mean(wide * wide, -1, true).add_(epsilon));  // [..., 1]
  at::Tensor y = (wide * reciprocal).mul_(weight);
  return {y.to(x.scalar_type()), {at::Tensor(), reciprocal}};
}

NormGradients norm_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const NormStatistics& statistics) {
  if (bias.defined()) {
    auto [dx, dweight, dbias] =
        at::native_layer_norm_backward(grad.contiguous(), x, {x.size(-1)}, statistics.mean,
                                       statistics.reciprocal_spread, weight, bias, {true, true, true});
    return {dx, dweight, dbias};
  }
  at::Tensor normalised = widened(x) * statistics.reciprocal_spread;  // [..., C]
  at::Tensor wide_grad = widened(grad);
  at::Tensor dweight = (wide_grad * normalised).reshape({-1, x.size(-1)}).sum(0);
  at::Tensor scaled = wide_grad * weight;
  at::Tensor along = (scaled * normalised).mean(-1, true);  // [..., 1]
  at::Tensor dx = scaled.sub_(normalised.mul_(along)).mul_(statistics.reciprocal_spread);
  return {dx.to(x.scalar_type()), dweight.to(weight.scalar_type()), at::Tensor()};
}

at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  return Norm::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, epsilon);
}

}  // namespace sextant::trainer
