#include "trainer/kernels/ulysses_attention.h"

#include <ATen/ATen.h>

#include "parallel/autograd_collectives.h"
#include "parallel/base/error.h"
#include "trainer/kernels/attention.h"

namespace sextant::trainer {
namespace {

// How often key heads are repeated, each beside its copies: the least that n divides and that leaves each
// query head beside the key head it reads.
int64_t copies_of(int64_t heads, int64_t kv_heads, int64_t n) {
  int64_t copies = 1;
  while (kv_heads * copies % n != 0 || heads % (kv_heads * copies) != 0) ++copies;
  return copies;
}

}  // namespace

at::Tensor ulysses_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& first_keys, parallel::Group& context) {
  int64_t n = context.size(), heads = query.size(2), kv_heads = key.size(2);
  expect(heads % n == 0, "the context ranks divide the heads");
  int64_t copies = copies_of(heads, kv_heads, n);
  // [B, T/n, heads, D] to [B, heads/n, T, D]
  auto whole_rows = [&](const at::Tensor& x) {
    return parallel::all_to_all(x, 2, 1, context).transpose(1, 2);
  };
  auto repeated = [&](const at::Tensor& x) { return copies == 1 ? x : x.repeat_interleave(copies, 2); };
  at::Tensor mixed = causal_attention(whole_rows(query), whole_rows(repeated(key)),
                                      whole_rows(repeated(value)), first_keys);  // [B, H/n, T, D]
  return parallel::all_to_all(mixed.transpose(1, 2), 1, 2, context);
}

}  // namespace sextant::trainer
