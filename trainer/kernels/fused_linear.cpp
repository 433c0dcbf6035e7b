#include "trainer/kernels/fused_linear.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "parallel/along_dim.h"
#include "parallel/base/error.h"
#include "trainer/kernels/activation.h"
#include "trainer/kernels/carried.h"
#include "trainer/kernels/fixed_blocks.h"
#include "trainer/kernels/inference_linear.h"
#include "trainer/kernels/norm.h"

namespace sextant::trainer {
namespace {

using parallel::Arriving;
using parallel::GradientSink;
using parallel::Group;
using parallel::Onto;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor flat(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}  // [N, last]

// Undefined where the sink has taken it. Sinks get what they need by value: they may write later.
at::Tensor weight_gradient(GradientSink* sink, const at::Tensor& grad, const at::Tensor& x) {
  if (sink != nullptr) {
    sink->take([grad, x](const at::Tensor& into, Onto onto) { linear_weight_gradient(grad, x, into, onto); });
    return {};
  }
  at::Tensor result = at::empty({grad.size(1), x.size(1)}, x.options());
  linear_weight_gradient(grad, x, result, Onto::kWrite);
  return result;
}

at::Tensor bias_gradient(GradientSink* sink, const at::Tensor& grad) {
  if (sink != nullptr) {
    sink->take([grad](const at::Tensor& into, Onto onto) { linear_bias_gradient(grad, into, onto); });
    return {};
  }
  at::Tensor result = at::empty({grad.size(1)}, grad.options());
  linear_bias_gradient(grad, result, Onto::kWrite);
  return result;
}

// Gradients of layers that read one input, in the order of autograd's arguments: weights, then biases.
// grads [N, out_i], input [N, in].
void layer_gradients(const Carried& carried, const variable_list& grads, const at::Tensor& input, bool biased,
                     at::Tensor* results) {
  for (size_t i = grads.size(); i-- > 0;) {
    results[i] = weight_gradient(carried.weight_sinks[i], grads[i], input);
    if (biased) results[grads.size() + i] = bias_gradient(carried.bias_sinks[i], grads[i]);
  }
}

// The same of shared column layers, and the gradient of their input: both [B, T/n, in], this rank's shards.
// What other ranks have of the input comes while its gradient is computed, and that gradient is summed while
// the weights' are computed.
at::Tensor column_gradients(const Carried& carried, const variable_list& grads, const variable_list& weights,
                            const at::Tensor& input, bool biased, at::Tensor* results) {
  Arriving whole = parallel::start_gather(input, 1, *carried.share.group);
  auto shape = input.sizes().vec();
  shape[1] *= carried.share.group->size();
  at::Tensor dwhole = linear_input_gradient(grads, weights).view(shape);  // [B, T, in]
  Arriving dinput = parallel::start_reduce_scatter(dwhole, 1, *carried.share.group);
  layer_gradients(carried, grads, flat(whole.take()), biased, results);
  return dinput.take();
}

// A row layer's output [B, T, out] as the stream wants it: summed over the ranks and in shards, [B, T/n,
// out], where they share it. The bias comes after the sum.
at::Tensor row_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Group* group) {
  if (group == nullptr) return linear_forward(x, weight, bias);
  at::Tensor sum = parallel::reduce_scattered(linear_forward(x, weight, at::Tensor()), 1, *group);
  return bias.defined() ? sum.add_(bias) : sum;
}

// What a row layer's backward starts from: the gradient of the whole output, [N, out], of which a rank has
// its shard's.
class RowGradient {
 public:
  RowGradient(const at::Tensor& grad, const Carried& carried, bool biased)
      : carried_(carried), biased_(biased), own_(grad.contiguous()) {
    if (carried.share.group != nullptr) arriving_ = parallel::start_gather(own_, 1, *carried.share.group);
  }

  // Gradients of weight and bias, and of the input [N, in]. To be called once.
  at::Tensor finish(const at::Tensor& input, const at::Tensor& weight, at::Tensor* results) {
    if (biased_) results[1] = bias_gradient(carried_.bias_sinks[0], flat(own_));
    at::Tensor whole = flat(carried_.share.group != nullptr ? arriving_.take() : own_);
    results[0] = weight_gradient(carried_.weight_sinks[0], whole, flat(input));
    return linear_input_gradient({whole}, {weight});
  }

 private:
  const Carried& carried_;
  bool biased_;
  at::Tensor own_;
  Arriving arriving_;
};

// Autograd's inputs, in this order: x, norm weight, norm bias (optional), epsilon, recompute, layers (not
// differentiated as such), group, each layer's weight, then each layer's bias (none of them has one, or all
// have).
class NormLinear : public torch::autograd::Function<NormLinear> {
 public:
  static constexpr size_t kWeights = 7;

  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& norm_weight,
                               const std::optional<at::Tensor>& norm_bias, double epsilon, bool recompute,
                               const std::vector<Linear>& layers, Group* group, at::TensorList weights,
                               at::TensorList biases) {
    at::Tensor bias_of_norm = norm_bias.value_or(at::Tensor());
    auto [normed, statistics] = norm_forward(x, norm_weight, bias_of_norm, epsilon);
    variable_list outputs;
    variable_list saved{x, norm_weight, bias_of_norm, statistics.mean, statistics.reciprocal_spread};
    saved.push_back(recompute ? at::Tensor() : normed);
    at::Tensor input = group == nullptr ? normed : parallel::gathered(normed, 1, *group);
    for (size_t i = 0; i < weights.size(); ++i) {
      outputs.push_back(linear_forward(input, weights[i], biases.empty() ? at::Tensor() : biases[i]));
      saved.push_back(weights[i]);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["biased"] = !biases.empty();
    carry(context, layers, {group});
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
    auto carried = carried_by(context);
    variable_list results(kWeights + grads.size() * (biased ? 2 : 1));
    variable_list rows, weights(saved.begin() + 6, saved.end());
    for (const at::Tensor& grad : grads) rows.push_back(flat(grad));  // [N, out_i]
    at::Tensor dnormed;                                               // as x
    if (carried->share.group != nullptr) {
      dnormed = column_gradients(*carried, rows, weights, normed, biased, &results[kWeights]);
    } else {
      layer_gradients(*carried, rows, flat(normed), biased, &results[kWeights]);
      dnormed = linear_input_gradient(rows, weights).view(x.sizes());
    }
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
                            const std::optional<at::Tensor>& bias, bool recompute, const Linear& layer,
                            Group* group) {
    at::Tensor maybe_gate = gate.value_or(at::Tensor());
    at::Tensor activated = activation_forward(maybe_gate, up);
    context->save_for_backward({maybe_gate, up, weight, recompute ? at::Tensor() : activated});
    context->saved_data["biased"] = bias.has_value();
    carry(context, {layer}, {group});
    return row_forward(activated, weight, bias.value_or(at::Tensor()), group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    auto carried = carried_by(context);
    at::Tensor layer[2], dactivated;
    {
      RowGradient grad(grads[0], *carried, context->saved_data["biased"].toBool());
      at::Tensor activated = saved[3].defined() ? saved[3] : activation_forward(gate, up);
      dactivated = grad.finish(activated, saved[2], layer).view(up.sizes());
    }
    auto gradients = activation_backward(dactivated, gate, up);
    return {gradients.gate, gradients.up, layer[0], layer[1], at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// A linear layer by itself.
class PlainLinear : public torch::autograd::Function<PlainLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, const Linear& layer, Group* group) {
    context->save_for_backward({x, weight});
    context->saved_data["biased"] = bias.has_value();
    carry(context, {layer}, {group});
    return row_forward(x, weight, bias.value_or(at::Tensor()), group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto carried = carried_by(context);
    at::Tensor layer[2];
    RowGradient grad(grads[0], *carried, context->saved_data["biased"].toBool());
    at::Tensor dx = grad.finish(saved[0], saved[1], layer).view(saved[0].sizes());
    return {dx, layer[0], layer[1], at::Tensor(), at::Tensor()};
  }
};

std::optional<at::Tensor> maybe(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// A row layer without gradient. With the stream whole, the sum over the ranks is whole on each.
at::Tensor row_layer(const at::Tensor& x, const Linear& layer, TensorShare share) {
  if (share.group == nullptr) return inference_linear(x, {layer}, x.scalar_type())[0];
  if (share.in_shards()) return row_forward(x, layer.weight, layer.bias, share.group);
  at::Tensor sum = inference_linear(x, {{layer.weight, at::Tensor()}}, x.scalar_type())[0].contiguous();
  share.group->all_reduce(sum);
  return layer.bias.defined() ? sum.add_(layer.bias) : sum;
}

}  // namespace

std::vector<at::Tensor> norm_linear(const at::Tensor& x, const at::Tensor& norm_weight,
                                    const at::Tensor& norm_bias, double epsilon,
                                    const std::vector<Linear>& layers, Produced produced, TensorShare share,
                                    NormSinks sinks) {
  if (share.blocks > 0) {
    at::Tensor normed = norm_in_blocks(x, norm_weight, norm_bias, epsilon, 1, share.blocks, sinks);
    return column_in_blocks(normed, layers, share);
  }
  if (!at::GradMode::is_enabled()) {
    at::Tensor normed = std::get<0>(norm_forward(x, norm_weight, norm_bias, epsilon));
    at::Tensor input = share.in_shards() ? parallel::gathered(normed, 1, *share.group) : normed;
    return inference_linear(input, layers, x.scalar_type());
  }
  expect(share.group == nullptr || share.in_shards(), "a stream that is whole on every rank has no gradient");
  variable_list weights, biases;
  for (const Linear& layer : layers) {
    weights.push_back(layer.weight);
    if (layer.bias.defined()) biases.push_back(layer.bias);
  }
  expect(biases.empty() || biases.size() == weights.size(), "all fused layers have a bias, or none");
  return NormLinear::apply(x, norm_weight, maybe(norm_bias), epsilon, produced == Produced::kRecompute,
                           layers, share.group, at::TensorList(weights), at::TensorList(biases));
}

at::Tensor activation_linear(const at::Tensor& gate, const at::Tensor& up, const Linear& layer,
                             Produced produced, TensorShare share) {
  if (share.blocks > 0) return row_in_blocks(activation(gate, up), layer, share);
  if (!at::GradMode::is_enabled()) return linear(activation_forward(gate, up), layer, share);
  return ActivationLinear::apply(maybe(gate), up, layer.weight, maybe(layer.bias),
                                 produced == Produced::kRecompute, layer, share.group);
}

at::Tensor linear(const at::Tensor& x, const Linear& layer, TensorShare share) {
  if (share.blocks > 0) return row_in_blocks(x, layer, share);
  if (!at::GradMode::is_enabled()) return row_layer(x, layer, share);
  return PlainLinear::apply(x, layer.weight, maybe(layer.bias), layer, share.group);
}

}  // namespace sextant::trainer
