#pragma once

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/short_piece_table.h"

namespace sextant::data {

// Looks tokens up by their bytes. Long ones by open addressing over (hash, id): one that is a token costs
// about two cache misses, and one that is none a single one.
class WholePieceTable {
 public:
  static constexpr int32_t kNone = -1;

  // The strings must outlive this object.
  void add(const std::string& token, int32_t id) {
    longest_ = std::max(longest_, token.size());
    if (token.size() <= ShortPiece::kLongest) {
      short_[ShortPiece(token)] = id;
      return;
    }
    if ((long_count_ + 1) * 2 > slots_.size()) grow();
    place(slots_, {hash_of(token), id, &token});
    ++long_count_;
  }

  int32_t find(std::string_view piece) const {
    if (piece.size() > longest_) return kNone;
    if (piece.size() <= ShortPiece::kLongest) {
      const int32_t* id = short_.find(ShortPiece(piece));
      return id == nullptr ? kNone : *id;
    }
    uint32_t hash = hash_of(piece);
    for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.id == kNone) return kNone;
      if (slot.hash == hash && *slot.token == piece) return slot.id;
    }
  }

  bool empty() const { return longest_ == 0; }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = kNone;
    const std::string* token = nullptr;
  };

  static uint32_t hash_of(std::string_view bytes) {
    return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
  }
  static void place(std::vector<Slot>& slots, const Slot& slot) {
    size_t at = slot.hash & (slots.size() - 1);
    while (slots[at].id != kNone) at = (at + 1) & (slots.size() - 1);
    slots[at] = slot;
  }
  void grow() {
    std::vector<Slot> larger(std::max<size_t>(16, slots_.size() * 2));
    for (const Slot& slot : slots_) {
      if (slot.id != kNone) place(larger, slot);
    }
    slots_ = std::move(larger);
  }

  ShortPieceTable<int32_t> short_;
  std::vector<Slot> slots_;  // of longer tokens; a power of two, at most half full
  size_t long_count_ = 0, longest_ = 0;
};

}  // namespace sextant::data
