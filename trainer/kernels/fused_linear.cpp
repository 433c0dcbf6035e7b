#include "trainer/kernels/fused_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "parallel/base/error.h"
#include "trainer/kernels/activation.h"
#include "trainer/kernels/few_rows_linear.h"
#include "trainer/kernels/norm.h"

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor flat(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}  // [N, last]

at::Tensor apply_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::linear(input, weight, bias) : at::linear(input, weight);
}

// Gradients of one layer's own numbers.
struct LayerGradients {
  at::Tensor flat_grad;  // [N, out]
  at::Tensor weight;     // [out, in]

  at::Tensor bias() const { return flat_grad.sum(0); }  // [out]
};

// Adds the layer's share to the gradient of its input, dinput [N, in].
LayerGradients linear_backward(const at::Tensor& grad, const at::Tensor& input, const at::Tensor& weight,
                               at::Tensor& dinput) {
  LayerGradients gradients{flat(grad), at::Tensor()};
  gradients.weight = at::matmul(gradients.flat_grad.t(), flat(input));
  if (dinput.defined()) {
    dinput.addmm_(gradients.flat_grad, weight);
  } else {
    dinput = at::matmul(gradients.flat_grad, weight);
  }
  return gradients;
}

// Autograd's inputs, in this order: x, norm weight, norm bias (optional), epsilon, recompute, each layer's
// weight, then each layer's bias (none of them has one, or all have).
class NormLinear : public torch::autograd::Function<NormLinear> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& norm_weight,
                               const std::optional<at::Tensor>& norm_bias, double epsilon, bool recompute,
                               at::TensorList weights, at::TensorList biases) {
    at::Tensor bias_of_norm = norm_bias.value_or(at::Tensor());
    auto [normed, statistics] = norm_forward(x, norm_weight, bias_of_norm, epsilon);
    variable_list outputs;
    variable_list saved{x, norm_weight, bias_of_norm, statistics.mean, statistics.reciprocal_spread};
    saved.push_back(recompute ? at::Tensor() : normed);
    for (size_t i = 0; i < weights.size(); ++i) {
      outputs.push_back(apply_linear(normed, weights[i], biases.empty() ? at::Tensor() : biases[i]));
      saved.push_back(weights[i]);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["biased"] = !biases.empty();
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &norm_weight = saved[1], &norm_bias = saved[2];
    NormStatistics statistics{saved[3], saved[4]};
    at::Tensor normed = saved[5];
    if (!normed.defined()) {
      normed =
          std::get<0>(norm_forward(x, norm_weight, norm_bias, context->saved_data["epsilon"].toDouble()));
    }
    bool biased = context->saved_data["biased"].toBool();
    size_t layers = grads.size();
    at::Tensor dnormed;
    variable_list results(5 + layers * (biased ? 2 : 1));
    for (size_t i = 0; i < layers; ++i) {
      auto layer = linear_backward(grads[i], normed, saved[6 + i], dnormed);
      results[5 + i] = layer.weight;
      if (biased) results[5 + layers + i] = layer.bias();
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
  static at::Tensor forward(AutogradContext* context, const std::optional<at::Tensor>& gate,
                            const at::Tensor& up, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, bool recompute) {
    at::Tensor maybe_gate = gate.value_or(at::Tensor());
    at::Tensor activated = activation_forward(maybe_gate, up);
    context->save_for_backward({maybe_gate, up, weight, recompute ? at::Tensor() : activated});
    context->saved_data["biased"] = bias.has_value();
    return apply_linear(activated, weight, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    at::Tensor activated = saved[3].defined() ? saved[3] : activation_forward(gate, up);
    at::Tensor dactivated;
    auto layer = linear_backward(grads[0], activated, saved[2], dactivated);
    at::Tensor dbias = context->saved_data["biased"].toBool() ? layer.bias() : at::Tensor();
    auto gradients = activation_backward(dactivated.view(up.sizes()), gate, up);
    return {gradients.gate, gradients.up, layer.weight, dbias, at::Tensor()};
  }
};

std::optional<at::Tensor> maybe(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// Nothing is kept for backward; the few rows of generation have kernels of their own.
std::vector<at::Tensor> linear_layers(const at::Tensor& input, const std::vector<Linear>& layers) {
  bool few = std::all_of(layers.begin(), layers.end(),
                         [&](const Linear& layer) { return is_few_rows(input, layer); });
  if (few) return few_rows_linear(input, layers, input.scalar_type());
  variable_list outputs;
  for (const Linear& layer : layers) outputs.push_back(apply_linear(input, layer.weight, layer.bias));
  return outputs;
}

}  // namespace

at::Tensor linear(const at::Tensor& input, const Linear& layer) {
  return linear_layers(input, {layer})[0];
}

std::vector<at::Tensor> norm_linear(const at::Tensor& x, const at::Tensor& norm_weight,
                                    const at::Tensor& norm_bias, double epsilon,
                                    const std::vector<Linear>& layers, Produced produced) {
  if (!at::GradMode::is_enabled()) {
    return linear_layers(std::get<0>(norm_forward(x, norm_weight, norm_bias, epsilon)), layers);
  }
  variable_list weights, biases;
  for (const Linear& layer : layers) {
    weights.push_back(layer.weight);
    if (layer.bias.defined()) biases.push_back(layer.bias);
  }
  expect(biases.empty() || biases.size() == weights.size(), "all fused layers have a bias, or none");
  return NormLinear::apply(x, norm_weight, maybe(norm_bias), epsilon, produced == Produced::kRecompute,
                           at::TensorList(weights), at::TensorList(biases));
}

at::Tensor activation_linear(const at::Tensor& gate, const at::Tensor& up, const Linear& layer,
                             Produced produced) {
  if (!at::GradMode::is_enabled()) return linear(activation_forward(gate, up), layer);
  return ActivationLinear::apply(maybe(gate), up, layer.weight, maybe(layer.bias),
                                 produced == Produced::kRecompute);
}

}  // namespace sextant::trainer
