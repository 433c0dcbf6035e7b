#include "trainer/model/unit_pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <utility>

namespace sextant::trainer {
namespace {

// What autograd's context can carry for us between forward and backward.
struct ActionHolder : torch::CustomClassHolder {
  explicit ActionHolder(std::function<void()> to_hold) : action(std::move(to_hold)) {}
  std::function<void()> action;
};

// The same numbers; when their gradient is there, the action is done before it goes on.
class BeforeGradient : public torch::autograd::Function<BeforeGradient> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<ActionHolder>& holder) {
    context->saved_data["action"] = c10::IValue::make_capsule(holder);
    return x.view_as(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto capsule = context->saved_data["action"].toCapsule();
    c10::static_intrusive_pointer_cast<ActionHolder>(capsule)->action();
    return {grads[0], at::Tensor()};
  }
};

at::Tensor before_gradient(const at::Tensor& x, std::function<void()> action) {
  return BeforeGradient::apply(x, c10::make_intrusive<ActionHolder>(std::move(action)));
}

bool has_backward(const at::Tensor& x) {
  return at::GradMode::is_enabled() && x.requires_grad();
}

}  // namespace

at::Tensor UnitPass::enter(const at::Tensor& x) const {
  if (use == nullptr) return x;
  use->need(unit, after);
  if (!has_backward(x)) return x;
  return before_gradient(x, [pass = *this] { pass.use->done(pass.unit); });
}

at::Tensor UnitPass::leave(const at::Tensor& y) const {
  if (use == nullptr) return y;
  use->done(unit);
  if (!has_backward(y)) return y;
  return before_gradient(y, [pass = *this] { pass.use->need(pass.unit, pass.before); });
}

at::Tensor enter_last(const at::Tensor& x, parallel::UnitUse* use, const std::vector<int64_t>& units) {
  if (use == nullptr) return x;
  for (int64_t unit : units) use->need(unit, parallel::UnitUse::kNone);
  if (!has_backward(x)) {
    for (int64_t unit : units) use->linger(unit);
    return x;
  }
  return before_gradient(x, [use, units] {
    for (int64_t unit : units) use->done(unit);
  });
}

}  // namespace sextant::trainer
