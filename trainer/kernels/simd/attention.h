#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// B batch, H query heads, KV key heads, T time, D head width.

// Where [B, heads, T, D] lies: strides in numbers; those of D are 1.
struct HeadStrides {
  int64_t batch, head, time;
};

struct AttentionShape {
  int64_t heads, kv_heads, time, width;
  float scale;                // of query key products before softmax
  const int32_t* first_keys;  // [B, T] the first key that a query sees, never falling along T; null: 0
};

// Causal attention: query t reads keys first_keys[t] .. t. Outputs are written as the inputs are laid out.
template <class Number>
struct AttentionForward {
  AttentionShape shape;
  const Number *query, *key, *value;
  HeadStrides query_strides, key_strides, value_strides, output_strides;
  Number* output;
  float* log_sum_exp;  // [B, H, T] of the scaled products
};

template <class Number>
struct AttentionBackward {
  AttentionShape shape;
  const Number *query, *key, *value, *output, *grad;
  HeadStrides query_strides, key_strides, value_strides, output_strides, grad_strides;
  const float* log_sum_exp;
  Number *dquery, *dkey, *dvalue;
  HeadStrides dquery_strides, dkey_strides, dvalue_strides;
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
