#include "trainer/kernels/embedding.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "trainer/kernels/held_sink.h"
#include "trainer/kernels/share_out.h"

namespace sextant::trainer {
namespace {

using parallel::Onto;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Threads share the columns, so that each sum has one order. grad [N, C], tokens [N], into [V, C] fp32.
template <class Number>
void add_rows(const at::Tensor& grad, const at::Tensor& tokens, const at::Tensor& into) {
  const auto* from = grad.data_ptr<Number>();
  const auto* rows = tokens.data_ptr<int64_t>();
  auto* to = into.data_ptr<float>();
  int64_t count = tokens.numel(), width = into.size(1);
  share_out(0, width, 128, [&](int64_t first, int64_t last) {
    for (int64_t n = 0; n < count; ++n) {
      for (int64_t c = first; c < last; ++c)
        to[rows[n] * width + c] += static_cast<float>(from[n * width + c]);
    }
  });
}

void accumulate(const at::Tensor& grad, const at::Tensor& tokens, const at::Tensor& into, Onto onto) {
  if (onto == Onto::kWrite) into.zero_();
  bool plain = into.is_cpu() && into.is_contiguous() && into.scalar_type() == at::kFloat;
  if (plain && grad.scalar_type() == at::kFloat) {
    add_rows<float>(grad, tokens, into);
  } else if (plain && grad.scalar_type() == at::kBFloat16) {
    add_rows<at::BFloat16>(grad, tokens, into);
  } else {
    into.index_add_(0, tokens, grad.to(into.scalar_type()));
  }
}

// The gradient of weight [rows, C] from that of its rows that were looked up: grad [N, C], tokens [N].
// Undefined where the sink has taken it.
at::Tensor weight_gradient(const at::Tensor& grad, const at::Tensor& tokens, int64_t rows,
                           parallel::GradientSink* sink) {
  if (sink == nullptr) return at::embedding_dense_backward(grad, tokens, rows, -1, false);
  sink->take([grad, tokens](const at::Tensor& into, Onto onto) { accumulate(grad, tokens, into, onto); });
  return {};
}

class Embedding : public torch::autograd::Function<Embedding> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weight, const at::Tensor& tokens,
                            parallel::GradientSink* sink) {
    context->save_for_backward({tokens});
    context->saved_data["rows"] = weight.size(0);
    context->saved_data["sink"] = held(sink);
    return at::embedding(weight, tokens);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    at::Tensor tokens = context->get_saved_variables()[0].reshape({-1}).contiguous();  // [N]
    at::Tensor grad = grads[0].reshape({tokens.numel(), -1}).contiguous();             // [N, C]
    int64_t rows = context->saved_data["rows"].toInt();
    auto* sink = sink_in(context->saved_data["sink"]);
    return {weight_gradient(grad, tokens, rows, sink), at::Tensor(), at::Tensor()};
  }
};

class EmbeddingPart : public torch::autograd::Function<EmbeddingPart> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weight, const at::Tensor& rows,
                            parallel::GradientSink* sink) {
    at::Tensor flat = rows.reshape({-1});
    at::Tensor here = (flat >= 0).nonzero().squeeze(1);  // [M] of the tokens, those of this part
    context->save_for_backward({here, flat.index_select(0, here)});
    context->saved_data["rows"] = weight.size(0);
    context->saved_data["sink"] = held(sink);
    return at::embedding(weight, rows.clamp_min(0)).masked_fill_((rows < 0).unsqueeze(-1), 0);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const at::Tensor &here = saved[0], &tokens = saved[1];
    at::Tensor grad = grads[0].reshape({-1, grads[0].size(-1)}).index_select(0, here);  // [M, C]
    int64_t rows = context->saved_data["rows"].toInt();
    auto* sink = sink_in(context->saved_data["sink"]);
    return {weight_gradient(grad, tokens, rows, sink), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& weight, const at::Tensor& tokens, parallel::GradientSink* sink) {
  return Embedding::apply(weight, tokens, sink);
}

at::Tensor embedding_part(const at::Tensor& weight, const at::Tensor& rows, parallel::GradientSink* sink) {
  return EmbeddingPart::apply(weight, rows, sink);
}

}  // namespace sextant::trainer
