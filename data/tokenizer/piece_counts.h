#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "data/tokenizer/short_piece_table.h"

namespace sextant::data {

// How often each distinct piece occurs.
class PieceCounts {
 public:
  void add(std::string_view piece, int64_t count = 1) {
    piece.size() <= ShortPiece::kLongest ? add(ShortPiece(piece), count) : add_long(piece, count);
  }
  void add(const ShortPiece& piece, int64_t count = 1) {
    occurrences_ += count;
    short_[piece] += count;
  }
  void add(const PieceCounts& other);

  // Calls visit(std::string_view piece, int64_t count) for each distinct piece, in no order that means
  // anything.
  template <class Visit>
  void each(Visit&& visit) const {
    short_.each(visit);
    for (const auto& [piece, count] : long_) visit(piece, count);
  }
  size_t distinct() const { return short_.size() + long_.size(); }
  // Bytes over the distinct pieces.
  uint64_t distinct_bytes() const;
  // Pieces, repeats included.
  int64_t occurrences() const { return occurrences_; }

 private:
  void add_long(std::string_view piece, int64_t count);
  std::string_view keep(std::string_view piece);

  ShortPieceTable<int64_t> short_;
  std::unordered_map<std::string_view, int64_t> long_;
  std::deque<std::string> blocks_;  // the long pieces' bytes
  int64_t occurrences_ = 0;
};

// Where to cut a long text so that both sides split into the same pieces as the whole would, under the named
// patterns: after about `wanted` bytes, between a lone newline and an ASCII letter; text.size() when
// there is no such place. Depends on the text alone, so that counts do not depend on the number of threads.
size_t safe_cut(std::string_view text, size_t wanted);

}  // namespace sextant::data
