#include "trainer/kernels/fused_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include "trainer/kernels/activation.h"
#include "trainer/kernels/norm.h"

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor flat(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }  // [N, last]

at::Tensor apply_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::linear(input, weight, bias) : at::linear(input, weight);
}

// Adds one layer's share of the input's gradient and stores its own gradients.
void linear_backward(const at::Tensor& grad, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                     at::Tensor& dinput, at::Tensor& dweight, at::Tensor& dbias) {
  at::Tensor flat_grad = flat(grad);                     // [N, out]
  dweight = at::matmul(flat_grad.t(), flat(input));      // [out, in]
  if (bias.defined()) dbias = flat_grad.sum(0);          // [out]
  at::Tensor share = at::matmul(flat_grad, weight);      // [N, in]
  dinput = dinput.defined() ? dinput.add_(share) : share;
}

// Inputs: x, norm weight, norm bias, epsilon, recompute, then (weight, bias) of each layer.
class NormLinear : public torch::autograd::Function<NormLinear> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& norm_weight,
                               const at::Tensor& norm_bias, double epsilon, bool recompute,
                               at::TensorList weights_and_biases) {
    auto [normed, statistics] = norm_forward(x, norm_weight, norm_bias, epsilon);
    variable_list outputs;
    variable_list saved{x, norm_weight, norm_bias, statistics.mean, statistics.reciprocal_spread};
    saved.push_back(recompute ? at::Tensor() : normed);
    for (size_t i = 0; i < weights_and_biases.size(); i += 2) {
      outputs.push_back(apply_linear(normed, weights_and_biases[i], weights_and_biases[i + 1]));
      saved.push_back(weights_and_biases[i]);
      saved.push_back(weights_and_biases[i + 1]);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["epsilon"] = epsilon;
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &norm_weight = saved[1], &norm_bias = saved[2];
    NormStatistics statistics{saved[3], saved[4]};
    at::Tensor normed = saved[5];
    if (!normed.defined()) {
      normed = std::get<0>(norm_forward(x, norm_weight, norm_bias, context->saved_data["epsilon"].toDouble()));
    }
    at::Tensor dnormed;
    variable_list results(5 + 2 * grads.size());
    for (size_t i = 0; i < grads.size(); ++i) {
      linear_backward(grads[i], normed, saved[6 + 2 * i], saved[7 + 2 * i], dnormed, results[5 + 2 * i],
                      results[6 + 2 * i]);
    }
    auto gradients = norm_backward(dnormed.view(x.sizes()), x, norm_weight, norm_bias, statistics);
    results[0] = gradients.x;
    results[1] = gradients.weight;
    results[2] = gradients.bias;
    return results;
  }
};

class ActivationLinear : public torch::autograd::Function<ActivationLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            const at::Tensor& weight, const at::Tensor& bias, bool recompute) {
    at::Tensor activated = activation_forward(gate, up);
    context->save_for_backward({gate, up, weight, bias, recompute ? at::Tensor() : activated});
    return apply_linear(activated, weight, bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    at::Tensor activated = saved[4].defined() ? saved[4] : activation_forward(saved[0], saved[1]);
    at::Tensor dactivated, dweight, dbias;
    linear_backward(grads[0], activated, saved[2], saved[3], dactivated, dweight, dbias);
    auto gradients = activation_backward(dactivated.view(saved[1].sizes()), saved[0], saved[1]);
    return {gradients.gate, gradients.up, dweight, dbias, at::Tensor()};
  }
};

}  // namespace

std::vector<at::Tensor> norm_linear(const at::Tensor& x, const at::Tensor& norm_weight, const at::Tensor& norm_bias,
                                    double epsilon, const std::vector<Linear>& layers, Produced produced) {
  variable_list weights_and_biases;
  for (const Linear& layer : layers) {
    weights_and_biases.push_back(layer.weight);
    weights_and_biases.push_back(layer.bias);
  }
  return NormLinear::apply(x, norm_weight, norm_bias, epsilon, produced == Produced::kRecompute,
                           at::TensorList(weights_and_biases));
}

at::Tensor activation_linear(const at::Tensor& gate, const at::Tensor& up, const Linear& layer, Produced produced) {
  return ActivationLinear::apply(gate, up, layer.weight, layer.bias, produced == Produced::kRecompute);
}

}  // namespace sextant::trainer
