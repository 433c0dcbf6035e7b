#include "trainer/kernels/simd/fixed_point.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

// Plain loops: the compiler makes vectors of them, of whatever width there is.

template <class Number>
struct BitsOf;
template <>
struct BitsOf<float> {
  using Type = uint32_t;
};
template <>
struct BitsOf<double> {
  using Type = uint64_t;
};
template <class Number>
using Bits = typename BitsOf<Number>::Type;

template <class Number>
inline Bits<Number> magnitude_bits(Number x) {
  return __builtin_bit_cast(Bits<Number>, x) & (~Bits<Number>(0) >> 1);
}

// 1.5 2^52 + x is x rounded to nearest, in its low bits, for |x| < 2^51. Unsigned: beyond, there is nonsense
// but no overflow.
inline uint64_t rounded(double x) {
  constexpr double kRound = 6755399441055744.0;
  return __builtin_bit_cast(uint64_t, x + kRound) - __builtin_bit_cast(uint64_t, kRound);
}

template <class Number>
Bits<Number> write(int64_t* __restrict to, const Number* __restrict from, int64_t count, double scale) {
  Bits<Number> most = 0;
  for (int64_t i = 0; i < count; ++i) {
    Bits<Number> bits = magnitude_bits(from[i]);
    most = bits > most ? bits : most;
    to[i] = static_cast<int64_t>(rounded(static_cast<double>(from[i]) * scale));
  }
  return most;
}

template <class Number>
Bits<Number> add(int64_t* __restrict to, const Number* __restrict from, int64_t count, double scale) {
  Bits<Number> most = 0;
  for (int64_t i = 0; i < count; ++i) {
    Bits<Number> bits = magnitude_bits(from[i]);
    most = bits > most ? bits : most;
    to[i] =
        static_cast<int64_t>(static_cast<uint64_t>(to[i]) + rounded(static_cast<double>(from[i]) * scale));
  }
  return most;
}

template <class Number>
Bits<Number> convert(Number* __restrict to, const int64_t* __restrict from, int64_t count, double quantum) {
  Bits<Number> most = 0;
  for (int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<Number>(static_cast<double>(from[i]) * quantum);
    Bits<Number> bits = magnitude_bits(to[i]);
    most = bits > most ? bits : most;
  }
  return most;
}

template <class Number>
int64_t squares(const Number* from, int64_t count, double scale) {
  constexpr double kUnits = 1125899906842624.0;  // 2^50
  uint64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    double scaled = static_cast<double>(from[i]) * scale;
    sum += rounded(scaled * scaled * kUnits);
  }
  return static_cast<int64_t>(sum);
}

}  // namespace

const FixedPointKernels kFixedPointKernels = {write<float>,   add<float>,     write<double>,
                                              add<double>,    convert<float>, convert<double>,
                                              squares<float>, squares<double>};

}  // namespace sextant::trainer::SEXTANT_SIMD
