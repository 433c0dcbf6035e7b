#pragma once

// Vectors of fp32, for the sources of this folder alone. CMake compiles each of them once per instruction
// set, with SEXTANT_SIMD as the namespace and SEXTANT_LANES as the vector's width, so one text serves all of
// them.
//
// These sources may include this folder's headers and <cstdint> only. An inline function of another header,
// compiled here with AVX-512, could be the copy that the linker keeps for the whole program, which would then
// stop on a processor without it. What stands here is in a namespace of its own for each instruction set.
#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer::SEXTANT_SIMD {

constexpr int64_t kLanes = SEXTANT_LANES;

using Floats = float __attribute__((vector_size(SEXTANT_LANES * 4)));
using Integers = int32_t __attribute__((vector_size(SEXTANT_LANES * 4)));
using Words = uint32_t __attribute__((vector_size(SEXTANT_LANES * 4)));
using Halves = uint16_t __attribute__((vector_size(SEXTANT_LANES * 2)));

// How many numbers of a vector count: all, or the first few of a row's end. Loads fill the rest with zeros.
struct Whole {};
struct First {
  int64_t count;
};

// x - 0 is x for every x, so that this is a load into all lanes; 0 + x would be an addition for the sake of
// -0.
inline Floats broadcast(float x) {
  return x - Floats{};
}

inline Floats as_floats(Halves bits) {
  return (Floats)(__builtin_convertvector(bits, Words) << 16);
}

// Rounded to nearest, ties to even; a NaN stays one.
inline Halves as_halves(Floats x) {
  Words bits = (Words)x;
  Words rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  Words nan = (Words{}) + 0x7fc0U;
  return __builtin_convertvector(x == x ? rounded : nan, Halves);
}

inline Floats load(const float* from, Whole) {
  Floats x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}

inline Floats load(const Bf16* from, Whole) {
  Halves bits;
  __builtin_memcpy(&bits, from, sizeof bits);
  return as_floats(bits);
}

inline void store(float* to, Floats x, Whole) {
  __builtin_memcpy(to, &x, sizeof x);
}

inline void store(Bf16* to, Floats x, Whole) {
  Halves bits = as_halves(x);
  __builtin_memcpy(to, &bits, sizeof bits);
}

template <class Number>
inline Floats load(const Number* from, First first) {
  Number buffer[kLanes] = {};
  for (int64_t i = 0; i < first.count; ++i) buffer[i] = from[i];
  return load(buffer, Whole{});
}

template <class Number>
inline void store(Number* to, Floats x, First first) {
  Number buffer[kLanes];
  store(buffer, x, Whole{});
  for (int64_t i = 0; i < first.count; ++i) to[i] = buffer[i];
}

// Lanes past the counted ones made `other`.
inline Floats keep(Floats x, Floats, Whole) {
  return x;
}

inline Floats keep(Floats x, Floats other, First first) {
  Integers lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane < static_cast<int32_t>(first.count) ? x : other;
}

inline Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}

inline Floats smaller(Floats a, Floats b) {
  return a < b ? a : b;
}

inline Floats square_root(Floats x) {
  Floats root;
  for (int i = 0; i < kLanes; ++i) root[i] = __builtin_sqrtf(x[i]);
  return root;
}

// Over all lanes, in a tree.
inline float sum(Floats x) {
  float lane[kLanes];
  store(lane, x, Whole{});
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

inline float largest(Floats x) {
  float lane[kLanes];
  store(lane, x, Whole{});
  for (int64_t i = 1; i < kLanes; ++i) lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
  return lane[0];
}

// body(first index, Whole or First) for each vector of a row of `count` numbers.
template <class Body>
inline void each_vector(int64_t count, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, Whole{});
  if (i < count) body(i, First{count - i});
}

}  // namespace sextant::trainer::SEXTANT_SIMD
