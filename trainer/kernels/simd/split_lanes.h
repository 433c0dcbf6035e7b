#pragma once

// fp32 numbers that lie in two parts (trainer/kernels/split_master.h has the equation), as vectors. For the
// sources of this folder alone.
#include "trainer/kernels/simd/lanes.h"
#include "trainer/kernels/simd/split_bits.h"

namespace sextant::trainer::SEXTANT_SIMD {

using Shorts = int16_t __attribute__((vector_size(SEXTANT_LANES * 2)));

// Bytes of ties that a vector's bits lie in.
constexpr int64_t kTieBytes = (kLanes + 7) / 8;

inline uint32_t load_ties(const uint8_t* ties, int64_t i) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, ties + i / 8, kTieBytes);
  return (bits >> (i % 8)) & ((1U << kLanes) - 1U);
}

inline void store_ties(uint8_t* ties, int64_t i, uint32_t tied) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, ties + i / 8, kTieBytes);
  bits &= ~(((1U << kLanes) - 1U) << (i % 8));
  bits |= tied << (i % 8);
  __builtin_memcpy(ties + i / 8, &bits, kTieBytes);
}

inline Floats join(Halves value, Shorts low, uint32_t ties) {
  Words bits = (__builtin_convertvector(value, Words) << 16) + (Words) __builtin_convertvector(low, Integers);
  if (ties != 0) {  // one vector in thousands
    for (int lane = 0; lane < kLanes; ++lane) bits[lane] += ((ties >> lane) & 1U) << 16;
  }
  return (Floats)bits;
}

// Whether any lane of a comparison's result is true.
inline bool any(Integers lanes) {
  uint64_t pairs[kLanes / 2], all = 0;
  __builtin_memcpy(pairs, &lanes, sizeof lanes);
  for (uint64_t pair : pairs) all |= pair;
  return all != 0;
}

struct SplitLanes {
  Halves value;
  Shorts low;
  uint32_t ties;  // bits
};

// A NaN's rest is of no account: beside the value's it leaves one.
inline SplitLanes split(Floats x) {
  SplitLanes parts;
  parts.value = as_halves(x);
  Words rest = (Words)x - (__builtin_convertvector(parts.value, Words) << 16);
  parts.low = __builtin_convertvector((Integers)rest, Shorts);
  parts.ties = 0;
  Integers tied = rest == (Words{} + 0x8000U);
  if (any(tied)) {
    for (int lane = 0; lane < kLanes; ++lane) parts.ties |= (tied[lane] != 0 ? 1U : 0U) << lane;
  }
  return parts;
}

inline Floats load(const SplitMemory& from, int64_t i, Whole) {
  Halves value;
  Shorts low;
  __builtin_memcpy(&value, from.value + i, sizeof value);
  __builtin_memcpy(&low, from.low + i, sizeof low);
  return join(value, low, load_ties(from.ties, i));
}

inline void store(const SplitMemory& to, int64_t i, Floats x, Whole) {
  SplitLanes parts = split(x);
  __builtin_memcpy(to.value + i, &parts.value, sizeof parts.value);
  __builtin_memcpy(to.low + i, &parts.low, sizeof parts.low);
  store_ties(to.ties, i, parts.ties);
}

// A row's end; the ties' memory reaches beyond it.
inline Floats load(const SplitMemory& from, int64_t i, First first) {
  Halves value{};
  Shorts low{};
  for (int64_t lane = 0; lane < first.count; ++lane) {
    value[lane] = from.value[i + lane].bits;
    low[lane] = from.low[i + lane];
  }
  return join(value, low, load_ties(from.ties, i));
}

inline void store(const SplitMemory& to, int64_t i, Floats x, First first) {
  SplitLanes parts = split(x);
  for (int64_t lane = 0; lane < first.count; ++lane) {
    to.value[i + lane].bits = parts.value[lane];
    to.low[i + lane] = parts.low[lane];
  }
  store_ties(to.ties, i, parts.ties & ((1U << first.count) - 1U));
}

}  // namespace sextant::trainer::SEXTANT_SIMD
