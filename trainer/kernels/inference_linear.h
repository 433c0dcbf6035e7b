#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/kernels/linear.h"

namespace sextant::trainer {

// Linear layers without gradient, by the kernel that suits the rows: few_rows_linear, many_rows_linear or
// those of training. One output [..., out_i] for each layer, all reading input [..., in]; of the input's
// type, or fp32 where `output` says so and a kernel can (few rows).
std::vector<at::Tensor> inference_linear(const at::Tensor& input, const std::vector<Linear>& layers,
                                         at::ScalarType output);

// Numbers of rows, from `least` to `most`, among which a row's results are the same bits, in whatever place
// and company.
struct RowCounts {
  int64_t least, most;
};

// Of inference_linear with these weights, in inference mode. most < least: no two rows may share a product.
RowCounts apart_rows(const std::vector<at::Tensor>& weights);

}  // namespace sextant::trainer
