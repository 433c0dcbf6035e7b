#include "trainer/kernels/simd/adamw.h"

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

void update(const AdamWStretch& part, const AdamWRates& rates) {
  each_vector(part.count, [&](int64_t i, auto which) {
    Floats grad = load(part.grad + i, which) * rates.gradient_scale;
    Floats first = load(part.first_moment + i, which);
    Floats second = load(part.second_moment + i, which);
    first += (grad - first) * rates.one_minus_beta1;
    second = second * rates.beta2 + grad * grad * rates.one_minus_beta2;
    Floats spread = square_root(second) * rates.root_scale + rates.epsilon;
    Floats weight = load(part.master + i, which) * rates.kept - first * rates.step / spread;
    store(part.first_moment + i, first, which);
    store(part.second_moment + i, second, which);
    store(part.master + i, weight, which);
    if (part.copy != nullptr) store(part.copy + i, weight, which);
  });
}

}  // namespace

const AdamWKernels kAdamWKernels = {update};

}  // namespace sextant::trainer::SEXTANT_SIMD
