#include "trainer/kernels/simd/rotary.h"

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

template <class Number>
void turn(const RotaryToken<Number>& token) {
  each_vector(token.half, [&](int64_t i, auto which) {
    Floats cosine = load(token.cosine + i, which), sine = load(token.sine + i, which) * token.direction;
    for (int64_t head = 0; head < token.heads; ++head) {
      const Number* x = token.x + head * token.head_stride + i;
      Number* turned = token.turned + head * 2 * token.half + i;
      Floats first = load(x, which), second = load(x + token.half, which);
      store(turned, first * cosine - second * sine, which);
      store(turned + token.half, second * cosine + first * sine, which);
    }
  });
}

}  // namespace

const RotaryKernels kRotaryKernels = {turn<float>, turn<Bf16>};

}  // namespace sextant::trainer::SEXTANT_SIMD
