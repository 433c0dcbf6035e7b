#include "trainer/kernels/carried.h"

namespace sextant::trainer {

void carry(torch::autograd::AutogradContext* context, const std::vector<Linear>& layers, TensorShare share) {
  auto carried = c10::make_intrusive<Carried>();
  for (const Linear& layer : layers) {
    carried->weight_sinks.push_back(layer.weight_sink);
    carried->bias_sinks.push_back(layer.bias_sink);
  }
  carried->share = share;
  context->saved_data["carried"] = c10::IValue::make_capsule(carried);
}

c10::intrusive_ptr<Carried> carried_by(torch::autograd::AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<Carried>(context->saved_data["carried"].toCapsule());
}

}  // namespace sextant::trainer
