#include "trainer/kernels/attention_tasks.h"

#include <ATen/ATen.h>

#include <cmath>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/attention.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

AttentionTask<float> task_of(InstructionSet set, float) {
  return pick(set, plain::kAttentionKernels, avx2::kAttentionKernels, avx512::kAttentionKernels).fp32;
}

AttentionTask<Bf16> task_of(InstructionSet set, Bf16) {
  if (set == InstructionSet::kAmx) return amx::kAttentionTask;
  return pick(set, plain::kAttentionKernels, avx2::kAttentionKernels, avx512::kAttentionKernels).bf16;
}

// Kernels read a head's numbers beside each other.
at::Tensor with_whole_heads(const at::Tensor& x) {
  return x.stride(3) == 1 ? x : x.contiguous();
}

HeadStrides strides_of(const at::Tensor& x) {
  return {x.stride(0), x.stride(1), x.stride(2)};
}

// As x, laid out as [B, T, heads, D], the order in which the layers around attention read it.
at::Tensor empty_rows(const at::Tensor& x) {
  return at::empty({x.size(0), x.size(2), x.size(1), x.size(3)}, x.options()).transpose(1, 2);
}

// log_sum_exp [B, H, T] as heads of one number each.
HeadStrides strides_of_numbers(const at::Tensor& x) {
  return {x.stride(0), x.stride(1), 1};
}

void check(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, const KeyRange& range,
           const at::Tensor& log_sum_exp) {
  expect(key.sizes() == value.sizes() && key.size(0) == query.size(0) && key.size(3) == query.size(3) &&
             query.size(1) % key.size(1) == 0,
         "keys and values belong to the queries");
  expect(key.scalar_type() == query.scalar_type() && value.scalar_type() == query.scalar_type(),
         "queries, keys and values are of one type");
  const at::Tensor& first_keys = range.first_keys;
  expect(!first_keys.defined() || (first_keys.scalar_type() == at::kInt && first_keys.is_contiguous() &&
                                   first_keys.numel() == query.size(0) * query.size(2)),
         "first_keys is [B, T] int32");
  expect(range.ahead >= 0, "queries do not lie before the keys");
  expect(log_sum_exp.scalar_type() == at::kFloat && log_sum_exp.stride(2) == 1, "log_sum_exp is fp32");
}

AttentionShape shape_of(const at::Tensor& query, const at::Tensor& key, const KeyRange& range) {
  return {query.size(1),
          key.size(1),
          query.size(2),
          key.size(2),
          query.size(3),
          range.ahead,
          static_cast<float>(1 / std::sqrt(static_cast<double>(query.size(3)))),
          memory_of<int32_t>(range.first_keys)};
}

// task(batch, kv_head, scratch) for all of them. Tasks share nothing: any sharing out gives the same bits.
template <class Task>
void each_task(int64_t batches, int64_t kv_heads, int64_t scratch_bytes, const Task& task) {
  share_out(0, batches * kv_heads, 1, [&](int64_t first, int64_t last) {
    at::Tensor scratch = at::empty({scratch_bytes}, at::kByte);
    for (int64_t i = first; i < last; ++i) task(i / kv_heads, i % kv_heads, scratch.data_ptr());
  });
}

// Writes to output, or where that is undefined goes on from `carried`.
void forward(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, const KeyRange& range,
             const at::Tensor& output, const at::Tensor& carried, const at::Tensor& log_sum_exp,
             InstructionSet set) {
  check(query, key, value, range, log_sum_exp);
  at::Tensor q = with_whole_heads(query), k = with_whole_heads(key), v = with_whole_heads(value);
  with_number(query, [&](auto number) {
    using Number = decltype(number);
    AttentionForward<Number> work{shape_of(q, k, range),
                                  memory_of<Number>(q),
                                  memory_of<Number>(k),
                                  memory_of<Number>(v),
                                  strides_of(q),
                                  strides_of(k),
                                  strides_of(v),
                                  memory_of<Number>(output),
                                  memory_of<float>(carried),
                                  strides_of(output.defined() ? output : carried),
                                  memory_of<float>(log_sum_exp),
                                  strides_of_numbers(log_sum_exp)};
    AttentionTask<Number> task = task_of(set, number);
    each_task(q.size(0), k.size(1), task.forward_scratch(work.shape),
              [&](int64_t batch, int64_t head, void* scratch) { task.forward(work, batch, head, scratch); });
  });
}

enum class Gradients { kWritten, kAdded };

template <class Number>
GradientPlace<Number> place_of(const at::Tensor& x, Gradients gradients) {
  if (gradients == Gradients::kWritten) return {memory_of<Number>(x), nullptr, strides_of(x)};
  return {nullptr, memory_of<float>(x), strides_of(x)};
}

void backward(const at::Tensor& grad, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
              const KeyRange& range, const at::Tensor& output, const at::Tensor& log_sum_exp,
              const AttentionSums& to, Gradients gradients, InstructionSet set) {
  check(query, key, value, range, log_sum_exp);
  at::Tensor q = with_whole_heads(query), k = with_whole_heads(key), v = with_whole_heads(value);
  at::Tensor g = with_whole_heads(grad);
  with_number(query, [&](auto number) {
    using Number = decltype(number);
    AttentionBackward<Number> work{shape_of(q, k, range),
                                   memory_of<Number>(q),
                                   memory_of<Number>(k),
                                   memory_of<Number>(v),
                                   memory_of<Number>(output),
                                   memory_of<Number>(g),
                                   strides_of(q),
                                   strides_of(k),
                                   strides_of(v),
                                   strides_of(output),
                                   strides_of(g),
                                   memory_of<float>(log_sum_exp),
                                   strides_of_numbers(log_sum_exp),
                                   place_of<Number>(to.query, gradients),
                                   place_of<Number>(to.key, gradients),
                                   place_of<Number>(to.value, gradients)};
    AttentionTask<Number> task = task_of(set, number);
    each_task(q.size(0), k.size(1), task.backward_scratch(work.shape),
              [&](int64_t batch, int64_t head, void* scratch) { task.backward(work, batch, head, scratch); });
  });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> attention_tasks_forward(const at::Tensor& query, const at::Tensor& key,
                                                           const at::Tensor& value,
                                                           const at::Tensor& first_keys, InstructionSet set) {
  expect(key.size(2) == query.size(2), "self-attention has a key for each query");
  at::Tensor output = empty_rows(query);
  at::Tensor log_sum_exp = at::empty({query.size(0), query.size(1), query.size(2)},
                                     query.options().dtype(at::kFloat));  // [B, H, T]
  forward(query, key, value, {first_keys, 0}, output, at::Tensor(), log_sum_exp, set);
  return {output, log_sum_exp};
}

AttentionGradients attention_tasks_backward(const at::Tensor& grad, const at::Tensor& query,
                                            const at::Tensor& key, const at::Tensor& value,
                                            const at::Tensor& first_keys, const at::Tensor& output,
                                            const at::Tensor& log_sum_exp, InstructionSet set) {
  AttentionSums gradients{empty_rows(query), empty_rows(key), empty_rows(value)};
  backward(grad, query, key, value, {first_keys, 0}, output, log_sum_exp, gradients, Gradients::kWritten,
           set);
  return {gradients.query, gradients.key, gradients.value};
}

void attention_tasks_part(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          const KeyRange& range, const AttentionState& state, InstructionSet set) {
  expect(state.mixed.stride(3) == 1 && state.mixed.scalar_type() == at::kFloat, "the state is fp32");
  forward(query, key, value, range, at::Tensor(), state.mixed, state.log_sum_exp, set);
}

void attention_tasks_part_backward(const at::Tensor& grad, const at::Tensor& query, const at::Tensor& key,
                                   const at::Tensor& value, const KeyRange& range, const at::Tensor& output,
                                   const at::Tensor& log_sum_exp, const AttentionSums& sums,
                                   InstructionSet set) {
  for (const at::Tensor& sum : {sums.query, sums.key, sums.value})
    expect(sum.stride(3) == 1 && sum.scalar_type() == at::kFloat, "sums of gradients are fp32");
  backward(grad, query, key, value, range, output, log_sum_exp, sums, Gradients::kAdded, set);
}

}  // namespace sextant::trainer
