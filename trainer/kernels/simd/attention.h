#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// B batch, H query heads, KV key heads, T queries, S keys, D head width.

// Where [B, heads, T, D] lies: strides in numbers; those of D are 1.
struct HeadStrides {
  int64_t batch, head, time;
};

struct AttentionShape {
  int64_t heads, kv_heads, time, keys, width;
  int64_t ahead;  // query t reads no key beyond t + ahead: 0 for self-attention, S for all keys
  float scale;    // of query key products before softmax
  const int32_t*
      first_keys;  // [B, T] the first key that a query reads, 0 .. S, never falling along T; null: 0
};

// The keys that a query reads are first_keys[t] .. min(t + ahead, S - 1). Outputs are written as the inputs
// are laid out.
template <class Number>
struct AttentionForward {
  AttentionShape shape;
  const Number *query, *key, *value;
  HeadStrides query_strides, key_strides, value_strides;
  Number* output;  // null: `carried` is used
  // The mean of the values that queries have read before, weighed by probabilities; goes on from here with
  // log_sum_exp, -infinity where nothing was read, and both are written back.
  float* carried;
  HeadStrides output_strides;  // of either
  float* log_sum_exp;          // [B, H, T] of the scaled products
  HeadStrides log_sum_exp_strides;
};

// Where a gradient goes: written, or added in fp32 where `written` is null.
template <class Number>
struct GradientPlace {
  Number* written;
  float* added;
  HeadStrides strides;
};

// output and log_sum_exp are those of all keys that the queries read, of which these may be a part.
template <class Number>
struct AttentionBackward {
  AttentionShape shape;
  const Number *query, *key, *value, *output, *grad;
  HeadStrides query_strides, key_strides, value_strides, output_strides, grad_strides;
  const float* log_sum_exp;
  HeadStrides log_sum_exp_strides;
  GradientPlace<Number> dquery, dkey, dvalue;
};

// One key head of one sequence with all query heads that read it; scratch holds that many bytes, 64-aligned.
template <class Number>
struct AttentionTask {
  int64_t (*forward_scratch)(const AttentionShape&);
  int64_t (*backward_scratch)(const AttentionShape&);
  void (*forward)(const AttentionForward<Number>&, int64_t batch, int64_t kv_head, void* scratch);
  void (*backward)(const AttentionBackward<Number>&, int64_t batch, int64_t kv_head, void* scratch);
};

struct AttentionKernels {
  AttentionTask<float> fp32;
  AttentionTask<Bf16> bf16;
};

namespace plain {
extern const AttentionKernels kAttentionKernels;
}
namespace avx2 {
extern const AttentionKernels kAttentionKernels;
}
namespace avx512 {
extern const AttentionKernels kAttentionKernels;
}
namespace amx {
extern const AttentionTask<Bf16> kAttentionTask;
}

}  // namespace sextant::trainer
