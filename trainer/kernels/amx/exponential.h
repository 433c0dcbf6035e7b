#pragma once

#include <immintrin.h>

namespace sextant::trainer::amx {

constexpr float kLog2E = 1.44269504F;

// 2^x, relative error below 3e-6: enough where the result becomes bf16. 0 for -infinity.
// x = n + r with |r| <= 1/2; a polynomial of degree 4 in r, near the one of least largest error, scaled by
// 2^n.
inline __m512 power_of_two(__m512 x) {
  __m512 r = _mm512_reduce_ps(x, 0);
  __m512 n = _mm512_sub_ps(x, r);
  __m512 p = _mm512_set1_ps(9.56051052e-3F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.59170395e-2F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40249813e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93121970e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.99999166e-1F));
  return _mm512_scalef_ps(p, n);
}

}  // namespace sextant::trainer::amx
