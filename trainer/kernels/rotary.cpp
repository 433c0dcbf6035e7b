#include "trainer/kernels/rotary.h"

#include <torch/csrc/autograd/custom_function.h>

namespace sextant::trainer {
namespace {

// Rotation by +angle or, for backward, by -angle (a rotation's transpose).
at::Tensor rotate(const at::Tensor& x, const at::Tensor& table_rows, double direction) {
  int64_t half = x.size(-1) / 2;
  at::Tensor cosine = table_rows[0].unsqueeze(2);  // [B, T, 1, D/2]
  at::Tensor sine = table_rows[1].unsqueeze(2);    // [B, T, 1, D/2]
  at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  at::Tensor turned = at::empty_like(x, x.options(), at::MemoryFormat::Contiguous);
  turned.narrow(-1, 0, half).copy_((first * cosine).sub_(second * sine, direction));
  turned.narrow(-1, half, half).copy_((second * cosine).add_(first * sine, direction));
  return turned;
}

class Rotary : public torch::autograd::Function<Rotary> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& table_rows) {
    context->save_for_backward({table_rows});
    return rotate(x, table_rows, 1.0);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    return {rotate(grads[0], context->get_saved_variables()[0], -1.0), at::Tensor()};
  }
};

}  // namespace

at::Tensor rotary_table(int64_t context, int64_t head_width, double base, at::ScalarType type,
                        at::Device device) {
  auto wide = at::TensorOptions().dtype(at::kDouble);
  at::Tensor exponent = at::arange(0, head_width, 2, wide).div_(static_cast<double>(head_width));  // [D/2]
  return rotary_table(context, at::pow(at::Scalar(base), exponent).reciprocal_(), type, device);
}

at::Tensor rotary_table(int64_t context, const at::Tensor& frequencies, at::ScalarType type,
                        at::Device device) {
  at::Tensor positions = at::arange(context, frequencies.options());
  at::Tensor angle = at::outer(positions, frequencies);  // [context, D/2]
  return at::stack({angle.cos(), angle.sin()}).to(at::TensorOptions().dtype(type).device(device));
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& table_rows) {
  return Rotary::apply(x, table_rows);
}

}  // namespace sextant::trainer
