#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "data/little_endian.h"

namespace sextant::data {

// How many of the eight bytes at an address, counted from the first, are ASCII of one kind: all eight are
// looked at at once in one register, so that the length of a word costs no mispredicted branch.
namespace ascii_runs {

constexpr uint64_t kEach = 0x0101010101010101ULL;
constexpr uint64_t kHighBits = 0x80 * kEach;
constexpr size_t kBytes = 8;

// The high bit of each byte that is in [low, high]. No byte of `seven_bits` has its own high bit set, so that
// no sum reaches the byte above.
constexpr uint64_t in_range(uint64_t seven_bits, char low, char high) {
  uint64_t at_least_low = seven_bits + (0x80 - static_cast<uint64_t>(low)) * kEach;
  uint64_t above_high = seven_bits + (0x7f - static_cast<uint64_t>(high)) * kEach;
  return at_least_low & ~above_high & kHighBits;
}

constexpr size_t leading(uint64_t marked) {
  return static_cast<size_t>(std::countr_zero(~marked & kHighBits)) / 8;
}

inline uint64_t eight(const char* at) {
  uint64_t bytes;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

inline size_t letters(const char* at) {
  uint64_t bytes = eight(at);
  uint64_t folded = (bytes & ~kHighBits) | 0x20 * kEach;
  return leading(in_range(folded, 'a', 'z') & ~bytes);
}

inline size_t small_letters(const char* at) {
  uint64_t bytes = eight(at);
  return leading(in_range(bytes & ~kHighBits, 'a', 'z') & ~bytes);
}

inline size_t no_digits(const char* at) {
  uint64_t bytes = eight(at);
  return leading(~in_range(bytes & ~kHighBits, '0', '9') & ~bytes & kHighBits);
}

}  // namespace ascii_runs
}  // namespace sextant::data
