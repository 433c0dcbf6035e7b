#include "trainer/kernels/grouped_feed_forward.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

#include "parallel/base/error.h"
#include "trainer/kernels/activation.h"
#include "trainer/kernels/held_sink.h"
#include "trainer/kernels/linear.h"

namespace sextant::trainer {
namespace {

using parallel::GradientSink;
using parallel::Onto;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Counts = std::vector<int64_t>;

// Calls visit(expert, first row, rows) for each expert that has rows.
template <class Visit>
void for_each_stretch(const Counts& counts, const Visit& visit) {
  int64_t first = 0;
  for (size_t expert = 0; expert < counts.size(); ++expert) {
    if (counts[expert] > 0) visit(static_cast<int64_t>(expert), first, counts[expert]);
    first += counts[expert];
  }
}

// rows [M, in] by weight [E, out, in], each stretch by its expert's: [M, out].
at::Tensor grouped_linear(const at::Tensor& rows, const Counts& counts, const at::Tensor& weight) {
  at::Tensor result = at::empty({rows.size(0), weight.size(1)}, rows.options());
  for_each_stretch(counts, [&](int64_t expert, int64_t first, int64_t count) {
    linear_forward_into(result.narrow(0, first, count), rows.narrow(0, first, count), weight[expert]);
  });
  return result;
}

// The sum over layers of grads[i] [M, out_i] by weights[i] [E, out_i, in], each stretch by its expert's.
at::Tensor grouped_input_gradient(const variable_list& grads, const Counts& counts,
                                  const variable_list& weights) {
  at::Tensor result = at::empty({grads[0].size(0), weights[0].size(2)}, grads[0].options());
  for_each_stretch(counts, [&](int64_t expert, int64_t first, int64_t count) {
    variable_list stretch, own;
    for (size_t i = 0; i < grads.size(); ++i) {
      stretch.push_back(grads[i].narrow(0, first, count));
      own.push_back(weights[i][expert]);
    }
    result.narrow(0, first, count).copy_(linear_input_gradient(stretch, own));
  });
  return result;
}

// To or onto `into` [E, out, in].
void write_weight_gradient(const at::Tensor& grad, const at::Tensor& rows, const Counts& counts,
                           const at::Tensor& into, Onto onto) {
  for (size_t expert = 0; expert < counts.size(); ++expert) {
    if (counts[expert] == 0 && onto == Onto::kWrite) into[static_cast<int64_t>(expert)].zero_();
  }
  for_each_stretch(counts, [&](int64_t expert, int64_t first, int64_t count) {
    linear_weight_gradient(grad.narrow(0, first, count), rows.narrow(0, first, count), into[expert], onto);
  });
}

// Undefined where the sink takes it; what it is given may be called after this backward has ended.
at::Tensor weight_gradient(GradientSink* sink, const at::Tensor& grad, const at::Tensor& rows,
                           const Counts& counts, const at::Tensor& weight) {
  if (sink != nullptr) {
    sink->take([grad, rows, counts](const at::Tensor& into, Onto onto) {
      write_weight_gradient(grad, rows, counts, into, onto);
    });
    return {};
  }
  at::Tensor result = at::empty_like(weight);
  write_weight_gradient(grad, rows, counts, result, Onto::kWrite);
  return result;
}

class GroupedFeedForward : public torch::autograd::Function<GroupedFeedForward> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows, const at::Tensor& gate,
                            const at::Tensor& up, const at::Tensor& down, const Counts& counts,
                            const ExpertWeights& weights, bool recompute) {
    at::Tensor gated = grouped_linear(rows, counts, gate);  // [M, F]
    at::Tensor upped = grouped_linear(rows, counts, up);    // [M, F]
    at::Tensor activated = activation_forward(gated, upped);
    context->save_for_backward({rows, gated, upped, recompute ? at::Tensor() : activated, gate, up, down});
    context->saved_data["counts"] = counts;
    context->saved_data["gate_sink"] = held(weights.gate_sink);
    context->saved_data["up_sink"] = held(weights.up_sink);
    context->saved_data["down_sink"] = held(weights.down_sink);
    return grouped_linear(activated, counts, down);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &gated = saved[1], &upped = saved[2];
    const at::Tensor &gate = saved[4], &up = saved[5], &down = saved[6];
    Counts counts = context->saved_data["counts"].toIntVector();
    auto sink = [&](const char* name) { return sink_in(context->saved_data[name]); };
    at::Tensor grad = grads[0].contiguous(), ddown;
    {
      at::Tensor activated = saved[3].defined() ? saved[3] : activation_forward(gated, upped);
      ddown = weight_gradient(sink("down_sink"), grad, activated, counts, down);
    }
    at::Tensor dactivated = grouped_input_gradient({grad}, counts, {down});  // [M, F]
    auto gradients = activation_backward(dactivated, gated, upped);
    at::Tensor dup = weight_gradient(sink("up_sink"), gradients.up, rows, counts, up);
    at::Tensor dgate = weight_gradient(sink("gate_sink"), gradients.gate, rows, counts, gate);
    at::Tensor drows = grouped_input_gradient({gradients.gate, gradients.up}, counts, {gate, up});
    return {drows, dgate, dup, ddown, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor grouped_feed_forward(const at::Tensor& rows, const Counts& counts, const ExpertWeights& weights,
                                Produced produced) {
  expect(static_cast<int64_t>(counts.size()) == weights.gate.size(0) &&
             std::accumulate(counts.begin(), counts.end(), int64_t{0}) == rows.size(0),
         "each row has an expert that is here");
  if (!at::GradMode::is_enabled()) {
    at::Tensor gated = grouped_linear(rows, counts, weights.gate);
    return grouped_linear(activation_forward(gated, grouped_linear(rows, counts, weights.up)), counts,
                          weights.down);
  }
  return GroupedFeedForward::apply(rows, weights.gate, weights.up, weights.down, counts, weights,
                                   produced == Produced::kRecompute);
}

}  // namespace sextant::trainer
