#include "trainer/kernels/attention_part.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "trainer/kernels/attention_tasks.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

// G = H / KV. Through ATen, the queries of a key head beside each other: [B, KV, G T, D].

at::ScalarType state_type(const at::Tensor& query) {
  return query.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// [B, H, T, D] to [B, KV, G T, D] in the state's type.
at::Tensor grouped(const at::Tensor& x, int64_t kv_heads, at::ScalarType type) {
  return x.to(type).reshape({x.size(0), kv_heads, x.size(1) / kv_heads * x.size(2), x.size(3)});
}

double scale_of(const at::Tensor& query) {
  return 1 / std::sqrt(static_cast<double>(query.size(3)));
}

// Scaled products, -infinity where a query does not look: [B, KV, G T, S].
at::Tensor scores_of(const at::Tensor& query, const at::Tensor& key, const KeyRange& range) {
  int64_t batch = query.size(0), heads = query.size(1), time = query.size(2), kv_heads = key.size(1);
  at::ScalarType type = state_type(query);
  at::Tensor scores = at::matmul(grouped(query, kv_heads, type), key.to(type).transpose(2, 3));
  scores.mul_(scale_of(query));
  auto places = query.options().dtype(at::kInt);
  at::Tensor place = at::arange(key.size(2), places);                                   // [S]
  at::Tensor unseen = place > at::arange(time, places).add_(range.ahead).unsqueeze(1);  // [T, S]
  if (range.first_keys.defined())
    unseen = unseen.logical_or(place < range.first_keys.unsqueeze(2)).unsqueeze(1).unsqueeze(1);
  scores.view({batch, kv_heads, heads / kv_heads, time, -1})
      .masked_fill_(unseen, -std::numeric_limits<double>::infinity());
  return scores;
}

// e^(scores - log_sum_exp); 0 where nothing was read.
at::Tensor probabilities_of(const at::Tensor& scores, const at::Tensor& log_sum_exp) {
  return scores.sub(log_sum_exp.masked_fill(log_sum_exp.isinf(), 0).unsqueeze(-1)).exp_();
}

void plain_part(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                const KeyRange& range, const AttentionState& state) {
  int64_t kv_heads = key.size(1);
  at::Tensor scores = scores_of(query, key, range);
  auto flat = [&](const at::Tensor& x) { return x.reshape({x.size(0), kv_heads, -1}); };
  at::Tensor before = flat(state.log_sum_exp);                         // [B, KV, G T]
  at::Tensor after = at::logaddexp(before, at::logsumexp(scores, 3));  // [B, KV, G T]
  at::Tensor probabilities = probabilities_of(scores, after);
  at::Tensor kept = probabilities_of(before.unsqueeze(-1), after);  // [B, KV, G T, 1]
  at::Tensor mixed = grouped(state.mixed, kv_heads, scores.scalar_type()).mul(kept);
  mixed.add_(at::matmul(probabilities, value.to(scores.scalar_type())));
  state.mixed.copy_(mixed.view_as(state.mixed));
  state.log_sum_exp.copy_(after.view_as(state.log_sum_exp));
}

void plain_part_backward(const at::Tensor& grad, const at::Tensor& query, const at::Tensor& key,
                         const at::Tensor& value, const KeyRange& range, const at::Tensor& output,
                         const at::Tensor& log_sum_exp, const AttentionSums& sums) {
  int64_t kv_heads = key.size(1);
  at::ScalarType type = state_type(query);
  at::Tensor q = grouped(query, kv_heads, type), g = grouped(grad, kv_heads, type);
  at::Tensor probabilities = probabilities_of(scores_of(query, key, range),
                                              log_sum_exp.reshape({log_sum_exp.size(0), kv_heads, -1}));
  at::Tensor along = (g * grouped(output, kv_heads, type)).sum(3, true);           // [B, KV, G T, 1]
  at::Tensor dscores = at::matmul(g, value.to(type).transpose(2, 3)).sub_(along);  // [B, KV, G T, S]
  dscores.mul_(probabilities).mul_(scale_of(query));
  sums.value.add_(at::matmul(probabilities.transpose(2, 3), g));
  sums.key.add_(at::matmul(dscores.transpose(2, 3), q));
  sums.query.add_(at::matmul(dscores, key.to(type)).view_as(sums.query));
}

}  // namespace

AttentionState AttentionState::narrow(int64_t first, int64_t count) const {
  return {mixed.narrow(2, first, count), log_sum_exp.narrow(2, first, count)};
}

AttentionState empty_attention(const at::Tensor& query) {
  int64_t batch = query.size(0), heads = query.size(1), time = query.size(2);
  auto options = query.options().dtype(state_type(query));
  return {at::zeros({batch, time, heads, query.size(3)}, options).transpose(1, 2),
          at::full({batch, heads, time}, -std::numeric_limits<double>::infinity(), options)};
}

void attend_part(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                 const KeyRange& range, const AttentionState& state, InstructionSet set) {
  if (fits_simd(query)) return attention_tasks_part(query, key, value, range, state, set);
  plain_part(query, key, value, range, state);
}

void attend_part_backward(const at::Tensor& grad, const at::Tensor& query, const at::Tensor& key,
                          const at::Tensor& value, const KeyRange& range, const at::Tensor& output,
                          const at::Tensor& log_sum_exp, const AttentionSums& sums, InstructionSet set) {
  if (fits_simd(query)) {
    return attention_tasks_part_backward(grad, query, key, value, range, output, log_sum_exp, sums, set);
  }
  plain_part_backward(grad, query, key, value, range, output, log_sum_exp, sums);
}

}  // namespace sextant::trainer
