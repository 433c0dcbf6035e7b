#include "trainer/kernels/attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "trainer/kernels/attention_tasks.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [B, KV, S, D] to [B, H, S, D], each head repeated for the queries that read it.
at::Tensor repeat_heads(const at::Tensor& x, int64_t heads) {
  int64_t kv_heads = x.size(1);
  if (kv_heads == heads) return x;
  return x.unsqueeze(2)
      .expand({x.size(0), kv_heads, heads / kv_heads, x.size(2), x.size(3)})
      .reshape({x.size(0), heads, x.size(2), x.size(3)});
}

class CausalAttention : public torch::autograd::Function<CausalAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
                            const at::Tensor& value, const std::optional<at::Tensor>& first_keys,
                            int64_t set) {
    at::Tensor firsts = first_keys.value_or(at::Tensor());
    auto [output, log_sum_exp] =
        attention_tasks_forward(query, key, value, firsts, static_cast<InstructionSet>(set));
    context->save_for_backward({query, key, value, firsts, output, log_sum_exp});
    context->saved_data["set"] = set;
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto set = static_cast<InstructionSet>(context->saved_data["set"].toInt());
    auto gradients =
        attention_tasks_backward(grads[0], saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], set);
    return {gradients.query, gradients.key, gradients.value, at::Tensor(), at::Tensor()};
  }
};

// The same as a dense mask [B, 1, T, T].
at::Tensor mask_of(const at::Tensor& first_keys) {
  at::Tensor key = at::arange(first_keys.size(1), first_keys.options());  // [T]
  at::Tensor mask = (key.view({1, 1, -1}) >= first_keys.unsqueeze(2)).logical_and_(key <= key.unsqueeze(1));
  return mask.unsqueeze(1);
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& first_keys, InstructionSet set) {
  if (fits_simd(query)) {
    auto firsts = first_keys.defined() ? std::optional(first_keys) : std::nullopt;
    return CausalAttention::apply(query, key, value, firsts, static_cast<int64_t>(set));
  }
  if (first_keys.defined()) return masked_attention(query, key, value, mask_of(first_keys));
  at::Tensor keys = repeat_heads(key, query.size(1)), values = repeat_heads(value, query.size(1));
  return at::scaled_dot_product_attention(query, keys, values, {}, 0.0, true);
}

at::Tensor first_keys(const at::Tensor& documents, int64_t window) {
  int64_t time = documents.size(1);
  at::Tensor position = at::arange(time, documents.options().dtype(at::kInt)).expand_as(documents);  // [B, T]
  at::Tensor begins = at::ones_like(documents, documents.options().dtype(at::kBool));
  begins.narrow(1, 1, time - 1).copy_(documents.narrow(1, 1, time - 1) != documents.narrow(1, 0, time - 1));
  at::Tensor first = std::get<0>((position * begins).cummax(1));
  if (window > 0) first = at::maximum(first, position - (window - 1));
  return first.contiguous();
}

at::Tensor masked_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& mask) {
  at::Tensor keys = repeat_heads(key, query.size(1)), values = repeat_heads(value, query.size(1));
  return at::scaled_dot_product_attention(query, keys, values, mask, 0.0, false);
}

at::Tensor cache_mask(const at::Tensor& positions, int64_t slots, int64_t window) {
  at::Tensor slot = at::arange(slots, positions.options()).view({1, 1, 1, slots});
  at::Tensor place = positions.unsqueeze(1).unsqueeze(3);  // [B, 1, T, 1]
  at::Tensor mask = slot <= place;                         // [B, 1, T, slots]
  if (window > 0 && window < slots) mask.logical_and_(slot > place - window);
  return mask;
}

}  // namespace sextant::trainer
