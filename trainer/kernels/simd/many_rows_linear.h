#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// output[m, n] = sum_k input[m, k] weight[n, k] + bias[n] for many rows m: the arithmetic bounds the speed.
// Each output is summed in one order, whatever the rows, so that its bits depend neither on the number of
// rows nor on its own row's place.
struct ManyRowsLinear {
  const float* input;   // rows in panels, as `pack` makes them
  const float* weight;  // [out, in]
  const float* bias;    // [out] or null
  float* output;        // [rows, out]
  int64_t rows, in, out;
};

struct ManyRowsLinearKernels {
  int64_t panel_rows;     // of the input, that one step of the arithmetic takes together
  int64_t panel_outputs;  // and outputs
  // Panels first .. last - 1 of input [rows, in] to packed [panels, in, panel_rows], zeros past the last row.
  void (*pack)(const float* input, int64_t rows, int64_t in, float* packed, int64_t first, int64_t last);
  // Outputs of the panels first .. last - 1, for every row. scratch has room for in * panel_outputs numbers.
  void (*multiply)(const ManyRowsLinear&, float* scratch, int64_t first, int64_t last);
};

namespace plain {
extern const ManyRowsLinearKernels kManyRowsLinearKernels;
}
namespace avx2 {
extern const ManyRowsLinearKernels kManyRowsLinearKernels;
}
namespace avx512 {
extern const ManyRowsLinearKernels kManyRowsLinearKernels;
}

}  // namespace sextant::trainer
