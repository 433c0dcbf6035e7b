#include "trainer/kernels/linear_cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

at::Tensor chunk_log_softmax(const at::Tensor& hidden, const at::Tensor& weight) {
  at::Tensor logits = at::matmul(hidden, weight.t());  // [n, V]
  return at::log_softmax(logits, -1, wide_type(hidden));
}

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& targets, const at::Tensor& token_weights, int64_t chunk,
                            bool with_gradient) {
    auto wide = hidden.options().dtype(wide_type(hidden));
    at::Tensor sum = at::zeros({}, wide);
    at::Tensor dhidden, dweight;
    if (with_gradient) {
      dhidden = at::empty_like(hidden);
      dweight = at::zeros(weight.sizes(), wide);  // chunks add up in full precision
    }
    for (int64_t first = 0; first < hidden.size(0); first += chunk) {
      int64_t count = std::min(chunk, hidden.size(0) - first);
      at::Tensor part = hidden.narrow(0, first, count);                                // [n, C]
      at::Tensor target = targets.narrow(0, first, count).unsqueeze(1);                // [n, 1]
      at::Tensor scale = token_weights.narrow(0, first, count).unsqueeze(1).to(wide);  // [n, 1]
      at::Tensor log_probabilities = chunk_log_softmax(part, weight);                  // [n, V]
      sum.sub_((log_probabilities.gather(1, target) * scale).sum());
      if (!with_gradient) continue;
      at::Tensor dlogits = log_probabilities.exp_();  // [n, V] now probabilities
      dlogits.scatter_add_(1, target, at::full_like(scale, -1.0)).mul_(scale);
      at::Tensor narrow = dlogits.to(hidden.scalar_type());
      dhidden.narrow(0, first, count).copy_(at::matmul(narrow, weight));
      if (weight.scalar_type() == dweight.scalar_type()) {
        dweight.addmm_(narrow.t(), part);
      } else {
        dweight.add_(at::matmul(narrow.t(), part));
      }
    }
    if (with_gradient) context->save_for_backward({dhidden, dweight.to(weight.scalar_type())});
    return sum;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    at::Tensor none;
    const at::Tensor& scale = grads[0];
    return {saved[0] * scale.to(saved[0].scalar_type()),
            saved[1] * scale.to(saved[1].scalar_type()),
            none,
            none,
            none,
            none};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                                const at::Tensor& token_weights, int64_t chunk) {
  bool with_gradient = at::GradMode::is_enabled() && (hidden.requires_grad() || weight.requires_grad());
  return LinearCrossEntropy::apply(hidden, weight, targets, token_weights, chunk, with_gradient);
}

at::Tensor target_log_probabilities(const at::Tensor& hidden, const at::Tensor& weight,
                                    const at::Tensor& targets, int64_t chunk) {
  at::NoGradGuard no_gradient;
  at::Tensor result = at::empty({hidden.size(0)}, hidden.options().dtype(wide_type(hidden)));
  for (int64_t first = 0; first < hidden.size(0); first += chunk) {
    int64_t count = std::min(chunk, hidden.size(0) - first);
    at::Tensor target = targets.narrow(0, first, count).unsqueeze(1);
    at::Tensor log_probabilities = chunk_log_softmax(hidden.narrow(0, first, count), weight);
    result.narrow(0, first, count).copy_(log_probabilities.gather(1, target).squeeze(1));
  }
  return result;
}

}  // namespace sextant::trainer
