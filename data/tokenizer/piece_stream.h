#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "data/tokenizer/bpe.h"
#include "data/tokenizer/long_piece_cache.h"
#include "data/tokenizer/piece_cache.h"
#include "data/tokenizer/short_piece.h"

namespace sextant::data {

// What one thread encodes pieces with: its memory of those that it has seen.
struct PieceMemory {
  PieceCache cache;
  LongPieceCache long_cache;
  Bpe::Workspace work;
};

// Encodes the pieces of one text in their order. They are taken in batches, so that what is remembered of a
// piece comes from memory while others are looked up.
class PieceStream {
 public:
  // `ids` gets the ids, the last of them in finish(). All pieces end at or before `text_end`.
  PieceStream(const Bpe& bpe, PieceMemory& memory, const char* text_end, std::vector<int32_t>& ids)
      : bpe_(bpe), memory_(memory), text_end_(text_end), ids_(ids) {}

  void add(std::string_view piece) {
    Waiting& waiting = waiting_[count_++];
    waiting.text = piece;
    if (piece.size() <= ShortPiece::kLongest) {
      bool readable = static_cast<size_t>(text_end_ - piece.data()) >= ShortPiece::kReads;
      waiting.piece = readable ? ShortPiece(piece.data(), piece.size()) : ShortPiece(piece);
      waiting.line = memory_.cache.prefetch(waiting.piece);
    }
    if (count_ == waiting_.size()) encode_waiting();
  }
  void finish() { encode_waiting(); }

 private:
  struct Waiting {
    std::string_view text;
    ShortPiece piece;
    size_t line = 0;
  };

  void encode_waiting();
  void encode_new(const Waiting& waiting);

  const Bpe& bpe_;
  PieceMemory& memory_;
  const char* text_end_;
  std::vector<int32_t>& ids_;
  std::array<Waiting, 32> waiting_;
  size_t count_ = 0;
};

}  // namespace sextant::data
