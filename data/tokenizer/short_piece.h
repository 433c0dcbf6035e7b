#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "data/little_endian.h"

namespace sextant::data {

// A piece of 1 to 15 bytes in two words: its bytes, zeros, and its length in the last byte. Most pieces of
// any text are that short, and so they are compared and hashed without a loop.
class ShortPiece {
 public:
  static constexpr size_t kLongest = 15;
  // Bytes that the second constructor reads.
  static constexpr size_t kReads = 16;

  ShortPiece() = default;
  explicit ShortPiece(std::string_view piece) : high_(static_cast<uint64_t>(piece.size()) << 56) {
    size_t in_low = piece.size() < 8 ? piece.size() : 8;
    std::memcpy(&low_, piece.data(), in_low);
    std::memcpy(&high_, piece.data() + in_low, piece.size() - in_low);
  }
  // The same where kReads bytes may be read from `begin` on, whatever stands behind the piece.
  ShortPiece(const char* begin, size_t length) {
    std::memcpy(&low_, begin, 8);
    std::memcpy(&high_, begin + 8, 8);
    low_ &= kLowMask[length];
    high_ = (high_ & kHighMask[length]) | static_cast<uint64_t>(length) << 56;
  }

  // The high bits are the mixed ones.
  uint64_t hash() const {
    uint64_t mixed = (low_ ^ (high_ * 0xc2b2ae3d27d4eb4fULL)) * 0x9e3779b97f4a7c15ULL;
    return (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9ULL;
  }
  bool operator==(const ShortPiece&) const = default;
  // False for one that was made of nothing.
  bool filled() const { return high_ != 0; }
  size_t size() const { return static_cast<size_t>(high_ >> 56); }
  // The bytes; valid as long as this object.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this), size()}; }

 private:
  static constexpr uint64_t lowest_bytes(size_t count) {
    return count >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * count)) - 1;
  }
  static constexpr auto masks(size_t from) {
    std::array<uint64_t, kLongest + 1> made{};
    for (size_t length = from; length <= kLongest; ++length) made[length] = lowest_bytes(length - from);
    return made;
  }
  static const std::array<uint64_t, kLongest + 1> kLowMask, kHighMask;

  uint64_t low_ = 0, high_ = 0;
};

inline constexpr std::array<uint64_t, ShortPiece::kLongest + 1> ShortPiece::kLowMask = ShortPiece::masks(0);
inline constexpr std::array<uint64_t, ShortPiece::kLongest + 1> ShortPiece::kHighMask = ShortPiece::masks(8);

}  // namespace sextant::data
