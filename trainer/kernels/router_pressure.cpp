#include "trainer/kernels/router_pressure.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct PressureHolder : torch::CustomClassHolder {
  explicit PressureHolder(RouterPressure to_hold) : pressure(std::move(to_hold)) {}
  RouterPressure pressure;
};

// d/dlogits of sum_e force[g, e] share[t, e]. logits [G, T, E].
at::Tensor share_gradient(const at::Tensor& logits, const RouterPressure& pressure) {
  at::Tensor force = pressure.force.unsqueeze(1);  // [G, 1, E]
  at::Tensor scores = router_scores(logits, pressure.score);
  if (pressure.score == RouterScore::kSoftmax) {
    return scores * (force - (force * scores).sum(-1, /*keepdim=*/true));
  }
  // share = s / S, ds_e/dlogit_e = s_e (1 - s_e).
  at::Tensor sum = scores.sum(-1, true);
  at::Tensor mean_force = (force * scores).sum(-1, true) / sum;
  return (force - mean_force) / sum * scores * (1 - scores);
}

class UnderPressure : public torch::autograd::Function<UnderPressure> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits,
                            const c10::intrusive_ptr<PressureHolder>& holder) {
    context->save_for_backward({logits});
    context->saved_data["pressure"] = c10::IValue::make_capsule(holder);
    return logits.view_as(logits);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto holder =
        c10::static_intrusive_pointer_cast<PressureHolder>(context->saved_data["pressure"].toCapsule());
    const RouterPressure& pressure = holder->pressure;
    at::Tensor logits = context->get_saved_variables()[0], grad = grads[0];
    if (pressure.force.defined()) grad = grad + share_gradient(logits, pressure);
    if (pressure.z_loss != 0) {
      grad =
          grad + 2 * pressure.z_loss * at::logsumexp(logits, -1, /*keepdim=*/true) * at::softmax(logits, -1);
    }
    if (pressure.load.defined()) {
      at::Tensor load = pressure.load;
      load.add_(pressure.observed);
    }
    return {grad, at::Tensor()};
  }
};

}  // namespace

at::Tensor router_scores(const at::Tensor& logits, RouterScore score) {
  return score == RouterScore::kSoftmax ? at::softmax(logits, -1) : at::sigmoid(logits);
}

at::Tensor under_pressure(const at::Tensor& logits, const RouterPressure& pressure) {
  if (!at::GradMode::is_enabled()) return logits;
  return UnderPressure::apply(logits, c10::make_intrusive<PressureHolder>(pressure));
}

}  // namespace sextant::trainer
