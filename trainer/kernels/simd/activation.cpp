#include "trainer/kernels/simd/activation.h"

#include "trainer/kernels/simd/exponential.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

Floats sigmoid(Floats x) {
  return 1.0F / (1.0F + exponential(-x));
}

// gelu's tanh form is u (1 + tanh z) / 2 = u sigmoid(2 z) with 2 z = u (a + b u^2).
constexpr float kA = 1.59576912F;  // 2 sqrt(2 / pi)
constexpr float kB = kA * 0.044715F;

Floats gelu(Floats u) {
  return u * sigmoid(u * (kA + kB * u * u));
}

Floats gelu_slope(Floats u) {
  Floats s = sigmoid(u * (kA + kB * u * u));
  return s + u * s * (1.0F - s) * (kA + 3 * kB * u * u);
}

template <class Number>
void forward(const Number* gate, const Number* up, Number* activated, int64_t count) {
  if (gate == nullptr) {
    each_vector(count,
                [&](int64_t i, auto which) { store(activated + i, gelu(load(up + i, which)), which); });
    return;
  }
  each_vector(count, [&](int64_t i, auto which) {
    Floats g = load(gate + i, which);
    store(activated + i, g * sigmoid(g) * load(up + i, which), which);
  });
}

template <class Number>
void backward(const Number* grad, const Number* gate, const Number* up, Number* dgate, Number* dup,
              int64_t count) {
  if (gate == nullptr) {
    each_vector(count, [&](int64_t i, auto which) {
      store(dup + i, load(grad + i, which) * gelu_slope(load(up + i, which)), which);
    });
    return;
  }
  each_vector(count, [&](int64_t i, auto which) {
    Floats g = load(gate + i, which), d = load(grad + i, which), s = sigmoid(g);
    store(dup + i, d * g * s, which);
    store(dgate + i, d * load(up + i, which) * s * (1.0F + g * (1.0F - s)), which);
  });
}

}  // namespace

const ActivationKernels kActivationKernels = {{forward<float>, backward<float>},
                                              {forward<Bf16>, backward<Bf16>}};

}  // namespace sextant::trainer::SEXTANT_SIMD
