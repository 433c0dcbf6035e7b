#include "trainer/kernels/inference_linear.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "trainer/kernels/few_rows_linear.h"
#include "trainer/kernels/many_rows_linear.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {

std::vector<at::Tensor> inference_linear(const at::Tensor& input, const std::vector<Linear>& layers,
                                         at::ScalarType output) {
  auto all = [&](auto takes) { return std::all_of(layers.begin(), layers.end(), takes); };
  if (all([&](const Linear& layer) { return is_few_rows(input, layer); }))
    return few_rows_linear(input, layers, output);
  if (all([&](const Linear& layer) { return is_many_rows(input, layer); }))
    return many_rows_linear(input, layers);
  std::vector<at::Tensor> outputs;
  outputs.reserve(layers.size());
  for (const Linear& layer : layers) outputs.push_back(linear_forward(input, layer.weight, layer.bias));
  return outputs;
}

RowCounts apart_rows(const std::vector<at::Tensor>& weights) {
  RowCounts counts{1, std::numeric_limits<int64_t>::max()};
  for (const at::Tensor& weight : weights) {
    if (!fits_simd(weight) || !weight.is_contiguous()) return {1, 0};
    int64_t few = most_few_rows(weight);
    if (weight.scalar_type() == at::kFloat) {
      counts.least = std::max(counts.least, few + 1);
    } else {
      counts.most = std::min(counts.most, few);
    }
  }
  return counts;
}

}  // namespace sextant::trainer
