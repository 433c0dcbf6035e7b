#pragma once

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {

// e^x within 2 units in the last place; 0 below -87.3, where results would be denormal, and e^88.3 above
// that. x = n ln 2 + r with |r| <= ln 2 / 2, the polynomial for e^r is the Taylor series to r^7 (error 2e-9),
// and 2^n is added to the exponent's bits.
inline Floats exponential(Floats x) {
  const Floats lowest = broadcast(-87.3F);
  Floats bounded = larger(smaller(x, broadcast(88.3F)), lowest);
  constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  Floats shifted = bounded * 1.44269504F + kRounder;
  Floats n = shifted - kRounder;
  Floats r = bounded - n * 0.693145752F;  // ln 2 in two parts, so that n ln 2 is exact enough
  r = r - n * 1.42860677e-6F;
  Floats p = r * (1.0F / 5040) + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  Integers exponent = ((Integers)shifted) << 23;
  Floats result = (Floats)((Integers)p + exponent);
  return x < lowest ? Floats{} : result;
}

}  // namespace sextant::trainer::SEXTANT_SIMD
