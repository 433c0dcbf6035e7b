#include "trainer/kernels/softmax.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/softmax.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kSoftmaxGrain = 16384;  // numbers that are worth a thread

SoftmaxRow<float> row_of(InstructionSet set, float) {
  return pick(set, plain::kSoftmaxKernels, avx2::kSoftmaxKernels, avx512::kSoftmaxKernels).fp32;
}

SoftmaxRow<Bf16> row_of(InstructionSet set, Bf16) {
  return pick(set, plain::kSoftmaxKernels, avx2::kSoftmaxKernels, avx512::kSoftmaxKernels).bf16;
}

// work(row) for all rows, over the threads.
template <class Work>
void each_row(const at::Tensor& logits, const Work& work) {
  expect(fits_simd(logits) && logits.dim() == 2 && logits.stride(1) == 1, "logits are [n, V] on a CPU");
  int64_t grain = std::max<int64_t>(1, kSoftmaxGrain / std::max<int64_t>(logits.size(1), 1));
  share_out(0, logits.size(0), grain, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) work(row);
  });
}

}  // namespace

at::Tensor log_sum_exp(const at::Tensor& logits, InstructionSet set) {
  at::Tensor result = at::empty({logits.size(0)}, logits.options().dtype(at::kFloat));
  auto* results = memory_of<float>(result);
  int64_t width = logits.size(1), stride = logits.stride(0);
  with_number(logits, [&](auto number) {
    using Number = decltype(number);
    auto reduce = row_of(set, number).log_sum_exp;
    auto* rows = memory_of<Number>(logits);
    each_row(logits, [&](int64_t row) { results[row] = reduce(rows + row * stride, width); });
  });
  return result;
}

void softmax_gradient_(at::Tensor& logits, const at::Tensor& log_sum_exp, const at::Tensor& targets,
                       const at::Tensor& scale, InstructionSet set) {
  at::Tensor sums = log_sum_exp.contiguous(), target = targets.contiguous(), scales = scale.contiguous();
  expect(sums.scalar_type() == at::kFloat && scales.scalar_type() == at::kFloat, "row numbers are fp32");
  expect(target.scalar_type() == at::kLong && target.numel() == logits.size(0), "a target for each row");
  auto *sum = memory_of<float>(sums), *factor = memory_of<float>(scales);
  auto* wanted = memory_of<int64_t>(target);
  int64_t width = logits.size(1), stride = logits.stride(0);
  with_number(logits, [&](auto number) {
    using Number = decltype(number);
    auto gradient = row_of(set, number).gradient;
    auto* rows = memory_of<Number>(logits);
    each_row(logits, [&](int64_t row) {
      bool elsewhere = wanted[row] == kElsewhere;
      expect(elsewhere || (wanted[row] >= 0 && wanted[row] < width), "targets are in the vocabulary");
      Number* logit = rows + row * stride;
      gradient(logit, width, sum[row], wanted[row], factor[row], logit);
    });
  });
}

}  // namespace sextant::trainer
