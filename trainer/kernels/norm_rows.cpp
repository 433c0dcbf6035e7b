#include "trainer/kernels/norm_rows.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/norm.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

// Rows are cut into so many pieces at most, whatever the threads: the sums over rows keep their order.
constexpr int64_t kPieces = 32;
// About as many numbers as are worth a thread.
constexpr int64_t kNormGrain = 16384;

NormRows<float> rows_of(InstructionSet set, float) {
  return pick(set, plain::kNormKernels, avx2::kNormKernels, avx512::kNormKernels).fp32;
}

NormRows<Bf16> rows_of(InstructionSet set, Bf16) {
  return pick(set, plain::kNormKernels, avx2::kNormKernels, avx512::kNormKernels).bf16;
}

at::Tensor fp32(const at::Tensor& x) {
  return x.defined() ? x.to(at::kFloat).contiguous() : x;
}

at::Tensor statistic_like(const at::Tensor& x) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = 1;
  return at::empty(shape, x.options().dtype(at::kFloat));
}

}  // namespace

AddedNorm norm_rows_forward(const at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight,
                            const at::Tensor& bias, double epsilon, InstructionSet set) {
  at::Tensor rows = x.contiguous(), added = addend.defined() ? addend.contiguous() : addend;
  at::Tensor wide_weight = fp32(weight), wide_bias = fp32(bias);
  AddedNorm result{addend.defined() ? at::empty_like(rows) : x,
                   at::empty_like(rows),
                   {bias.defined() ? statistic_like(rows) : at::Tensor(), statistic_like(rows)}};
  int64_t width = x.size(-1);
  with_number(x, [&](auto number) {
    using Number = decltype(number);
    NormForward<Number> work{memory_of<Number>(rows),
                             memory_of<Number>(added),
                             added.defined() ? memory_of<Number>(result.total) : nullptr,
                             memory_of<float>(wide_weight),
                             memory_of<float>(wide_bias),
                             memory_of<Number>(result.normed),
                             memory_of<float>(result.statistics.mean),
                             memory_of<float>(result.statistics.reciprocal_spread),
                             width,
                             static_cast<float>(epsilon)};
    auto forward = rows_of(set, number).forward;
    share_out(0, x.numel() / std::max<int64_t>(width, 1), std::max<int64_t>(1, kNormGrain / width),
              [&](int64_t first, int64_t last) { forward(work, first, last); });
  });
  return result;
}

NormGradients norm_rows_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& weight,
                                 const at::Tensor& bias, const NormStatistics& statistics,
                                 const at::Tensor& skip, InstructionSet set) {
  at::Tensor rows = x.contiguous(), grads = grad.contiguous(), wide_weight = fp32(weight);
  at::Tensor skipped = skip.defined() ? skip.contiguous() : skip;
  at::Tensor dx = at::empty_like(rows);
  int64_t width = x.size(-1), count = x.numel() / std::max<int64_t>(width, 1);
  int64_t pieces = std::clamp<int64_t>(x.numel() / kNormGrain, 1, kPieces);
  auto wide = rows.options().dtype(at::kFloat);
  at::Tensor dweight = at::zeros({pieces, width}, wide);
  at::Tensor dbias = bias.defined() ? at::zeros({pieces, width}, wide) : at::Tensor();
  with_number(x, [&](auto number) {
    using Number = decltype(number);
    NormBackward<Number> work{memory_of<Number>(grads),
                              memory_of<Number>(rows),
                              memory_of<float>(wide_weight),
                              memory_of<float>(statistics.mean),
                              memory_of<float>(statistics.reciprocal_spread),
                              memory_of<Number>(skipped),
                              memory_of<Number>(dx),
                              width};
    auto backward = rows_of(set, number).backward;
    float *weights = memory_of<float>(dweight), *biases = memory_of<float>(dbias);
    share_out(0, pieces, 1, [&](int64_t first_piece, int64_t last_piece) {
      for (int64_t piece = first_piece; piece < last_piece; ++piece) {
        backward(work, count * piece / pieces, count * (piece + 1) / pieces, weights + piece * width,
                 biases != nullptr ? biases + piece * width : nullptr);
      }
    });
  });
  NormGradients gradients{dx, dweight.sum(0).to(weight.scalar_type()), at::Tensor()};
  if (bias.defined()) gradients.bias = dbias.sum(0).to(bias.scalar_type());
  return gradients;
}

}  // namespace sextant::trainer
