#include "trainer/kernels/many_rows_linear.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/many_rows_linear.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

int64_t panels_of(int64_t count, int64_t panel) {
  return (count + panel - 1) / panel;
}

// The input as the kernels read it.
at::Tensor packed(const at::Tensor& input, int64_t rows, const ManyRowsLinearKernels& kernels) {
  int64_t in = input.size(-1), panels = panels_of(rows, kernels.panel_rows);
  at::Tensor result = at::empty({panels * kernels.panel_rows * in}, input.options());
  share_out(0, panels, 1, [&](int64_t first, int64_t last) {
    kernels.pack(memory_of<float>(input), rows, in, memory_of<float>(result), first, last);
  });
  return result;
}

}  // namespace

bool is_many_rows(const at::Tensor& input, const Linear& layer) {
  const at::Tensor& weight = layer.weight;
  return c10::InferenceMode::is_enabled() && input.is_cpu() && input.numel() > 0 &&
         input.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat && weight.is_contiguous() &&
         (!layer.bias.defined() || layer.bias.is_contiguous());
}

std::vector<at::Tensor> many_rows_linear(const at::Tensor& input, const std::vector<Linear>& layers,
                                         InstructionSet set) {
  auto kernels =
      pick(set, plain::kManyRowsLinearKernels, avx2::kManyRowsLinearKernels, avx512::kManyRowsLinearKernels);
  at::Tensor contiguous = input.contiguous();
  int64_t in = input.size(-1), rows = input.numel() / in;
  at::Tensor panels = packed(contiguous, rows, kernels);
  std::vector<at::Tensor> outputs;
  std::vector<ManyRowsLinear> works;
  std::vector<int64_t> ends;  // of each layer, in panels of outputs
  std::vector<int64_t> shape = input.sizes().vec();
  for (const Linear& layer : layers) {
    expect(layer.weight.size(1) == in, "a linear layer reads all of its input");
    int64_t out = layer.weight.size(0);
    shape.back() = out;
    outputs.push_back(at::empty(shape, input.options()));
    works.push_back({memory_of<float>(panels), memory_of<float>(layer.weight), memory_of<float>(layer.bias),
                     memory_of<float>(outputs.back()), rows, in, out});
    ends.push_back((ends.empty() ? 0 : ends.back()) + panels_of(out, kernels.panel_outputs));
  }
  share_out(0, ends.back(), 1, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(static_cast<size_t>(in * kernels.panel_outputs));
    for (size_t i = 0; i < works.size(); ++i) {
      int64_t start = i == 0 ? 0 : ends[i - 1];
      int64_t begin = std::max(first, start), end = std::min(last, ends[i]);
      if (begin < end) kernels.multiply(works[i], scratch.data(), begin - start, end - start);
    }
  });
  return outputs;
}

}  // namespace sextant::trainer
