#include "trainer/kernels/simd/softmax.h"

#include "trainer/kernels/simd/exponential.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

template <class Number>
float row_maximum(const Number* logits, int64_t count) {
  const Floats lowest = broadcast(-__builtin_inff());
  Floats greatest = lowest;
  each_vector(count, [&](int64_t i, auto which) {
    greatest = larger(greatest, keep(load(logits + i, which), lowest, which));
  });
  return largest(greatest);
}

template <class Number>
float log_sum_exp(const Number* logits, int64_t count) {
  float maximum = row_maximum(logits, count);
  Floats total{};
  each_vector(count, [&](int64_t i, auto which) {
    total += keep(exponential(load(logits + i, which) - maximum), Floats{}, which);
  });
  return maximum + __builtin_logf(sum(total));
}

template <class Number>
void gradient(const Number* logits, int64_t count, float log_sum_exp, int64_t target, float scale,
              Number* dlogits) {
  bool here = target >= 0;
  Floats at_target{};  // kept before it is written over
  if (here) at_target = exponential(load(logits + target, First{1}) - log_sum_exp);
  each_vector(count, [&](int64_t i, auto which) {
    store(dlogits + i, exponential(load(logits + i, which) - log_sum_exp) * scale, which);
  });
  if (here) store(dlogits + target, (at_target - 1.0F) * scale, First{1});
}

}  // namespace

const SoftmaxKernels kSoftmaxKernels = {{log_sum_exp<float>, gradient<float>},
                                        {log_sum_exp<Bf16>, gradient<Bf16>}};

}  // namespace sextant::trainer::SEXTANT_SIMD
