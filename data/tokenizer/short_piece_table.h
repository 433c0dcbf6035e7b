#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "data/tokenizer/short_piece.h"

namespace sextant::data {

// A map from short pieces to a small value: open addressing in one array with the bytes in it, so that a
// look-up costs about one cache miss. Pieces are never removed.
template <class Value>
class ShortPieceTable {
 public:
  // The value of a piece, or null.
  const Value* find(const ShortPiece& piece) const {
    if (count_ == 0) return nullptr;
    for (size_t at = home(piece);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.piece == piece) return &slot.value;
      if (!slot.piece.filled()) return nullptr;
    }
  }

  // The value of a piece, put there as Value{} if absent. Lasts until the next call.
  Value& operator[](const ShortPiece& piece) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = place(piece);
    if (!slot.piece.filled()) slot.piece = piece, ++count_;
    return slot.value;
  }

  // Has the line of a piece brought from memory.
  void prefetch(const ShortPiece& piece) const {
    if (count_ > 0) __builtin_prefetch(&slots_[home(piece)]);
  }

  size_t size() const { return count_; }

  // Calls visit(std::string_view, const Value&) for each piece, in no order that means anything.
  template <class Visit>
  void each(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.piece.filled()) visit(slot.piece.bytes(), slot.value);
    }
  }

 private:
  struct Slot {
    ShortPiece piece;
    Value value{};
  };

  size_t home(const ShortPiece& piece) const { return static_cast<size_t>(piece.hash() >> shift_); }
  Slot& place(const ShortPiece& piece) {
    size_t at = home(piece);
    while (slots_[at].piece.filled() && slots_[at].piece != piece) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  void grow() {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 16 : slots_.size() * 2));
    shift_ = slots_.size() == 16 ? 60 : shift_ - 1;
    for (const Slot& slot : old) {
      if (slot.piece.filled()) place(slot.piece) = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two, at most half full
  size_t count_ = 0;
  int shift_ = 60;
};

}  // namespace sextant::data
