#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace sextant::data {

// Remembers the ids of what does not fit PieceCache: longer pieces, and those of more tokens. One piece a
// slot of a cache line; a newcomer takes the slot. One thread's own: 1 MiB.
class LongPieceCache {
 public:
  static constexpr size_t kLongestPiece = 30, kMostIds = 8;

  LongPieceCache() : slots_(kSlots) {}

  class Key {
   public:
    // piece.size() <= kLongestPiece, not empty.
    explicit Key(std::string_view piece) {
      std::memcpy(words_.data(), piece.data(), piece.size());
      reinterpret_cast<uint8_t*>(words_.data())[kLongestPiece] = static_cast<uint8_t>(piece.size());
    }
    size_t slot() const {
      uint64_t mixed = (words_[0] ^ (words_[3] << 5)) * 0x9e3779b97f4a7c15ULL;
      mixed ^= (words_[1] ^ (words_[2] >> 7)) * 0xc2b2ae3d27d4eb4fULL;
      return static_cast<size_t>((mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9ULL >> (64 - kSlotBits));
    }

   private:
    friend class LongPieceCache;
    std::array<uint64_t, 4> words_{};
  };

  // The ids of a piece; empty when it is not here.
  std::span<const int32_t> find(const Key& key) const {
    const Slot& slot = slots_[key.slot()];
    // The last byte of a slot's key counts its ids.
    if (slot.key[0] != key.words_[0] || slot.key[1] != key.words_[1] || slot.key[2] != key.words_[2] ||
        (slot.key[3] & kWithoutCount) != key.words_[3]) {
      return {};
    }
    return {slot.ids.data(), static_cast<size_t>(slot.key[3] >> 56)};
  }

  // At most kMostIds ids are kept; of longer answers nothing.
  void keep(const Key& key, std::span<const int32_t> ids) {
    if (ids.empty() || ids.size() > kMostIds) return;
    Slot& slot = slots_[key.slot()];
    slot.key = key.words_;
    slot.key[3] |= static_cast<uint64_t>(ids.size()) << 56;
    std::memcpy(slot.ids.data(), ids.data(), ids.size_bytes());
  }

 private:
  static constexpr int kSlotBits = 14;
  static constexpr size_t kSlots = size_t{1} << kSlotBits;
  static constexpr uint64_t kWithoutCount = ~uint64_t{0} >> 8;
  struct alignas(64) Slot {
    std::array<uint64_t, 4> key{};
    std::array<int32_t, kMostIds> ids{};
  };
  std::vector<Slot> slots_;
};

}  // namespace sextant::data
