#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <mutex>
#include <vector>

#include "parallel/group_threads.h"
#include "tests/harness/finite_differences.h"
#include "trainer/context_cut.h"

namespace sextant::trainer {

// Attention of whole rows, computed by ranks that share their time. B batch, T time, H heads, KV key heads, D
// head width.
struct SharedShape {
  int64_t batch, heads, kv_heads, time, width;
  int64_t document;  // tokens of a document; 0: one a row
  int64_t window;    // 0: none
};

struct SharedInputs {
  at::Tensor query, key, value;  // [B, T, heads, D]
  at::Tensor first_keys;         // [B, T] int32 or undefined
  at::Tensor grad;               // [B, T, H, D] of the result
};

struct SharedResults {
  at::Tensor output, dquery, dkey, dvalue;  // [B, T, heads, D]
};

// One rank's attention: query, key, value [B, T/n, heads, D], first_keys of the whole rows, result as query.
using SharedAttention =
    std::function<at::Tensor(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& first_keys, const ContextCut& cut, parallel::Group& context)>;

// Cuts the inputs over n ranks, runs forward and backward on each, and puts what they give together again.
inline SharedResults run_shared(int64_t n, parallel::MeshSettings::ContextKind kind,
                                const SharedInputs& inputs, const SharedAttention& attention) {
  SharedResults all{at::empty_like(inputs.query), at::empty_like(inputs.query), at::empty_like(inputs.key),
                    at::empty_like(inputs.value)};
  std::mutex mutex;
  parallel::run_ranks(n, [&](parallel::Group& context) {
    ContextCut cut{kind, context.rank().value(), n};
    auto leaf = [&](const at::Tensor& x) { return cut(x).detach().clone().requires_grad_(true); };
    at::Tensor query = leaf(inputs.query), key = leaf(inputs.key), value = leaf(inputs.value);
    at::Tensor output = attention(query, key, value, inputs.first_keys, cut, context);
    output.backward(cut(inputs.grad));
    int64_t time = inputs.query.size(1);
    at::Tensor places = cut(at::arange(time).unsqueeze(0)).squeeze(0);  // [T/n]
    std::lock_guard lock(mutex);
    all.output.index_copy_(1, places, output.detach());
    all.dquery.index_copy_(1, places, query.grad());
    all.dkey.index_copy_(1, places, key.grad());
    all.dvalue.index_copy_(1, places, value.grad());
  });
  return all;
}

}  // namespace sextant::trainer
