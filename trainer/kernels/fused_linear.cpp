#include "trainer/kernels/fused_linear.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "parallel/base/error.h"
#include "trainer/kernels/activation.h"
#include "trainer/kernels/few_rows_linear.h"
#include "trainer/kernels/norm.h"

namespace sextant::trainer {
namespace {

using parallel::GradientSink;
using parallel::Onto;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor flat(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}  // [N, last]

// Where the layers' gradients go, carried from forward to backward.
struct Sinks : torch::CustomClassHolder {
  std::vector<GradientSink*> weights, biases;
};

c10::IValue sinks_of(const std::vector<Linear>& layers) {
  auto sinks = c10::make_intrusive<Sinks>();
  for (const Linear& layer : layers) {
    sinks->weights.push_back(layer.weight_sink);
    sinks->biases.push_back(layer.bias_sink);
  }
  return c10::IValue::make_capsule(sinks);
}

// Undefined where the sink has taken it.
at::Tensor weight_gradient(GradientSink* sink, const at::Tensor& grad, const at::Tensor& x) {
  if (sink != nullptr) {
    sink->take([&](const at::Tensor& into, Onto onto) { linear_weight_gradient(grad, x, into, onto); });
    return {};
  }
  at::Tensor result = at::empty({grad.size(1), x.size(1)}, x.options());
  linear_weight_gradient(grad, x, result, Onto::kWrite);
  return result;
}

at::Tensor bias_gradient(GradientSink* sink, const at::Tensor& grad) {
  if (sink != nullptr) {
    sink->take([&](const at::Tensor& into, Onto onto) { linear_bias_gradient(grad, into, onto); });
    return {};
  }
  at::Tensor result = at::empty({grad.size(1)}, grad.options());
  linear_bias_gradient(grad, result, Onto::kWrite);
  return result;
}

// Gradients of layers that read one input, in the order of autograd's arguments: weights, then biases.
// grads [N, out_i], input [N, in].
void layer_gradients(const Sinks& sinks, const variable_list& grads, const at::Tensor& input, bool biased,
                     at::Tensor* results) {
  for (size_t i = grads.size(); i-- > 0;) {
    results[i] = weight_gradient(sinks.weights[i], grads[i], input);
    if (biased) results[grads.size() + i] = bias_gradient(sinks.biases[i], grads[i]);
  }
}

// Autograd's inputs, in this order: x, norm weight, norm bias (optional), epsilon, recompute, layers (not
// differentiated as such), each layer's weight, then each layer's bias (none of them has one, or all have).
class NormLinear : public torch::autograd::Function<NormLinear> {
 public:
  static constexpr size_t kWeights = 6;

  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& norm_weight,
                               const std::optional<at::Tensor>& norm_bias, double epsilon, bool recompute,
                               const std::vector<Linear>& layers, at::TensorList weights,
                               at::TensorList biases) {
    at::Tensor bias_of_norm = norm_bias.value_or(at::Tensor());
    auto [normed, statistics] = norm_forward(x, norm_weight, bias_of_norm, epsilon);
    variable_list outputs;
    variable_list saved{x, norm_weight, bias_of_norm, statistics.mean, statistics.reciprocal_spread};
    saved.push_back(recompute ? at::Tensor() : normed);
    for (size_t i = 0; i < weights.size(); ++i) {
      outputs.push_back(linear_forward(normed, weights[i], biases.empty() ? at::Tensor() : biases[i]));
      saved.push_back(weights[i]);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["biased"] = !biases.empty();
    context->saved_data["sinks"] = sinks_of(layers);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &norm_weight = saved[1], &norm_bias = saved[2];
    at::Tensor normed = saved[5];
    if (!normed.defined()) {
      normed =
          std::get<0>(norm_forward(x, norm_weight, norm_bias, context->saved_data["epsilon"].toDouble()));
    }
    bool biased = context->saved_data["biased"].toBool();
    auto sinks = c10::static_intrusive_pointer_cast<Sinks>(context->saved_data["sinks"].toCapsule());
    variable_list results(kWeights + grads.size() * (biased ? 2 : 1));
    variable_list rows;  // [N, out_i]
    for (const at::Tensor& grad : grads) rows.push_back(flat(grad));
    layer_gradients(*sinks, rows, flat(normed), biased, &results[kWeights]);
    at::Tensor dnormed = linear_input_gradient(rows, {saved.begin() + 6, saved.end()}).view(x.sizes());
    auto gradients = norm_backward(dnormed, x, norm_weight, norm_bias, {saved[3], saved[4]});
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
                            const std::optional<at::Tensor>& bias, bool recompute, const Linear& layer) {
    at::Tensor maybe_gate = gate.value_or(at::Tensor());
    at::Tensor activated = activation_forward(maybe_gate, up);
    context->save_for_backward({maybe_gate, up, weight, recompute ? at::Tensor() : activated});
    context->saved_data["biased"] = bias.has_value();
    context->saved_data["sinks"] = sinks_of({layer});
    return linear_forward(activated, weight, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    auto sinks = c10::static_intrusive_pointer_cast<Sinks>(context->saved_data["sinks"].toCapsule());
    at::Tensor grad = flat(grads[0]), layer[2];
    {
      at::Tensor activated = saved[3].defined() ? saved[3] : activation_forward(gate, up);
      layer_gradients(*sinks, {grad}, flat(activated), context->saved_data["biased"].toBool(), layer);
    }
    at::Tensor dactivated = linear_input_gradient({grad}, {saved[2]}).view(up.sizes());
    auto gradients = activation_backward(dactivated, gate, up);
    return {gradients.gate, gradients.up, layer[0], layer[1], at::Tensor(), at::Tensor()};
  }
};

// A linear layer by itself.
class PlainLinear : public torch::autograd::Function<PlainLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, const Linear& layer) {
    context->save_for_backward({x, weight});
    context->saved_data["biased"] = bias.has_value();
    context->saved_data["sinks"] = sinks_of({layer});
    return linear_forward(x, weight, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto sinks = c10::static_intrusive_pointer_cast<Sinks>(context->saved_data["sinks"].toCapsule());
    at::Tensor grad = flat(grads[0]), layer[2];
    layer_gradients(*sinks, {grad}, flat(saved[0]), context->saved_data["biased"].toBool(), layer);
    at::Tensor dx = linear_input_gradient({grad}, {saved[1]}).view(saved[0].sizes());
    return {dx, layer[0], layer[1], at::Tensor()};
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
  for (const Linear& layer : layers) outputs.push_back(linear_forward(input, layer.weight, layer.bias));
  return outputs;
}

}  // namespace

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
                           layers, at::TensorList(weights), at::TensorList(biases));
}

at::Tensor activation_linear(const at::Tensor& gate, const at::Tensor& up, const Linear& layer,
                             Produced produced) {
  if (!at::GradMode::is_enabled()) return linear(activation_forward(gate, up), layer);
  return ActivationLinear::apply(maybe(gate), up, layer.weight, maybe(layer.bias),
                                 produced == Produced::kRecompute, layer);
}

at::Tensor linear(const at::Tensor& x, const Linear& layer) {
  if (!at::GradMode::is_enabled()) return linear_layers(x, {layer})[0];
  return PlainLinear::apply(x, layer.weight, maybe(layer.bias), layer);
}

}  // namespace sextant::trainer
