#include "data/tokenizer/piece_stream.h"

#include <span>

namespace sextant::data {

void PieceStream::encode_waiting() {
  std::array<int32_t, 32 * PieceCache::kMostIds> known;
  size_t filled = 0;
  auto hand_over = [&] {
    ids_.insert(ids_.end(), known.begin(), known.begin() + static_cast<std::ptrdiff_t>(filled));
    filled = 0;
  };
  for (const Waiting& waiting : std::span(waiting_).first(count_)) {
    if (waiting.text.size() <= ShortPiece::kLongest) {
      size_t count = memory_.cache.find(waiting.piece, waiting.line, known.data() + filled);
      filled += count;
      if (count > 0) continue;
    }
    hand_over();
    encode_new(waiting);
  }
  hand_over();
  count_ = 0;
}

// A piece that the first cache does not know.
void PieceStream::encode_new(const Waiting& waiting) {
  if (waiting.text.size() > LongPieceCache::kLongestPiece)
    return bpe_.encode(waiting.text, ids_, memory_.work);
  LongPieceCache::Key key(waiting.text);
  if (auto known = memory_.long_cache.find(key); !known.empty()) {
    ids_.insert(ids_.end(), known.begin(), known.end());
    return;
  }
  size_t before = ids_.size();
  bpe_.encode(waiting.text, ids_, memory_.work);
  auto ids = std::span<const int32_t>(ids_).subspan(before);
  if (waiting.text.size() <= ShortPiece::kLongest && ids.size() <= PieceCache::kMostIds) {
    memory_.cache.keep(waiting.piece, waiting.line, ids);
  } else {
    memory_.long_cache.keep(key, ids);
  }
}

}  // namespace sextant::data
