#pragma once

#include <immintrin.h>

namespace sextant::trainer::amx {

// 32 fp32 numbers as 32 of bf16, rounded to nearest.
inline __m512i narrow(__m512 low, __m512 high) {
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// 16 numbers of bf16 as fp32.
inline __m512 widen(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

}  // namespace sextant::trainer::amx
