#include "trainer/kernels/simd/adamw.h"

#include "trainer/kernels/simd/lanes.h"
#include "trainer/kernels/simd/split_lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

// Masters as memory holds them: whole, or split.
struct WholeMasters {
  float* master;
  Bf16* copy;  // or null

  template <class Which>
  Floats get(int64_t i, Which which) const {
    return load(master + i, which);
  }
  template <class Which>
  void set(int64_t i, Floats weight, Which which) const {
    store(master + i, weight, which);
    if (copy != nullptr) store(copy + i, weight, which);
  }
};

struct SplitMasters {
  SplitMemory memory;

  template <class Which>
  Floats get(int64_t i, Which which) const {
    return load(memory, i, which);
  }
  template <class Which>
  void set(int64_t i, Floats weight, Which which) const {
    store(memory, i, weight, which);
  }
};

template <class Masters>
void update(const AdamWStretch& part, const Masters& masters, const AdamWRates& rates) {
  each_vector(part.count, [&](int64_t i, auto which) {
    Floats grad = load(part.grad + i, which) * rates.gradient_scale;
    Floats first = load(part.first_moment + i, which);
    Floats second = load(part.second_moment + i, which);
    first += (grad - first) * rates.one_minus_beta1;
    second = second * rates.beta2 + grad * grad * rates.one_minus_beta2;
    Floats spread = square_root(second) * rates.root_scale + rates.epsilon;
    Floats weight = masters.get(i, which) * rates.kept - first * rates.step / spread;
    store(part.first_moment + i, first, which);
    store(part.second_moment + i, second, which);
    masters.set(i, weight, which);
  });
}

void update_stretch(const AdamWStretch& part, const AdamWRates& rates) {
  if (part.master != nullptr) {
    update(part, WholeMasters{part.master, part.copy}, rates);
  } else {
    update(part, SplitMasters{part.split}, rates);
  }
}

}  // namespace

const AdamWKernels kAdamWKernels = {update_stretch};

}  // namespace sextant::trainer::SEXTANT_SIMD
