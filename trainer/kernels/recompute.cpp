#include "trainer/kernels/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace sextant::trainer {
namespace {

using Segment = std::function<at::Tensor(const at::Tensor&)>;

// What autograd's context can carry for us between forward and backward.
struct SegmentHolder : torch::CustomClassHolder {
  explicit SegmentHolder(Segment to_hold) : segment(std::move(to_hold)) {}
  Segment segment;
};

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<SegmentHolder>& holder) {
    context->save_for_backward({x});
    context->saved_data["segment"] = c10::IValue::make_capsule(holder);
    return holder->segment(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto capsule = context->saved_data["segment"].toCapsule();
    auto holder = c10::static_intrusive_pointer_cast<SegmentHolder>(capsule);
    at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    at::Tensor y;
    {
      at::AutoGradMode with_gradient(true);
      y = holder->segment(x);
    }
    torch::autograd::backward({y}, {grads[0]});
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor recompute(const Segment& segment, const at::Tensor& x) {
  if (!at::GradMode::is_enabled()) return segment(x);
  return Recompute::apply(x, c10::make_intrusive<SegmentHolder>(segment));
}

}  // namespace sextant::trainer
