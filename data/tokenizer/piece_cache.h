#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "data/tokenizer/short_piece.h"

namespace sextant::data {

// Remembers the ids of short pieces, two pieces a cache line, of which the one asked for last stays longest.
// Text repeats its words so often that most pieces are answered from here. One thread's own: 2 MiB.
class PieceCache {
 public:
  static constexpr size_t kMostIds = 4;

  PieceCache() : lines_(size_t{1} << kLineBits) {}

  // Has the line of a piece brought from memory; the result is what find() and keep() want.
  size_t prefetch(const ShortPiece& piece) const {
    size_t line = static_cast<size_t>(piece.hash() >> (64 - kLineBits));
    __builtin_prefetch(&lines_[line]);
    return line;
  }

  // Writes the ids of a piece to `to`, which has room for kMostIds, and returns how many they are; 0 when the
  // piece is not here. What is behind them in `to` is overwritten as well.
  size_t find(const ShortPiece& piece, size_t line, int32_t* to) {
    auto& [first, second] = lines_[line];
    if (first.piece != piece) {
      if (second.piece != piece) return 0;
      std::swap(first, second);
    }
    std::memcpy(to, first.ids.data(), sizeof first.ids);
    return count_of(first);
  }

  // Of none, or of more than kMostIds, nothing is kept.
  void keep(const ShortPiece& piece, size_t line, std::span<const int32_t> ids) {
    if (ids.empty() || ids.size() > kMostIds) return;
    auto& [first, second] = lines_[line];
    second = first;
    first.piece = piece;
    first.ids.fill(kNone);
    std::copy(ids.begin(), ids.end(), first.ids.begin());
  }

 private:
  static constexpr int kLineBits = 15;
  static constexpr int32_t kNone = -1;
  struct Entry {
    ShortPiece piece;
    std::array<int32_t, kMostIds> ids{};
  };
  struct alignas(64) Line {
    Entry first, second;
  };

  static size_t count_of(const Entry& entry) {
    size_t count = 1;
    for (size_t i = 1; i < kMostIds; ++i) count += entry.ids[i] != kNone ? 1 : 0;
    return count;
  }

  std::vector<Line> lines_;
};

}  // namespace sextant::data
