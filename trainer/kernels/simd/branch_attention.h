#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// Keys and values one after the other. Those of one key head lie `stride` numbers apart.
template <class Number>
struct KeyRun {
  const Number* keys;
  const Number* values;
  int64_t count, stride;
};

// Queries of one branch that read the same key head, and what they read: runs one after the other, the last
// of them the branch's own tokens. D head width.
template <class Number>
struct BranchAttention {
  const Number* query;  // [tokens, heads, D], of which `group` heads from this one on belong here
  Number* output;       // as query
  const KeyRun<Number>* runs;
  int64_t run_count;
  int64_t stride;  // between tokens of query and output
  int64_t group;   // query heads of one key head
  int64_t width;   // D
  int64_t window;  // a query reads so many keys with its own; 0: all
  float scale;
};

struct BranchAttentionKernels {
  int64_t lanes;  // queries that are taken together
  // Queries first .. last - 1, where a query is one head of one token, token * group + head. last - first is
  // `lanes` at most. scratch has room for (keys of all runs + 2 D) * lanes numbers.
  void (*fp32)(const BranchAttention<float>&, float* scratch, int64_t first, int64_t last);
  void (*bf16)(const BranchAttention<Bf16>&, float* scratch, int64_t first, int64_t last);
};

namespace plain {
extern const BranchAttentionKernels kBranchAttentionKernels;
}
namespace avx2 {
extern const BranchAttentionKernels kBranchAttentionKernels;
}
namespace avx512 {
extern const BranchAttentionKernels kBranchAttentionKernels;
}

}  // namespace sextant::trainer
