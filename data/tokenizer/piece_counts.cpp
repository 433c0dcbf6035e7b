#include "data/tokenizer/piece_counts.h"

#include <algorithm>

namespace sextant::data {
namespace {

constexpr size_t kBlockBytes = 1 << 18;

bool ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool ascii_graph(char c) {
  return c > ' ' && c < 0x7f;
}

}  // namespace

// Blocks never move their bytes: they are filled up to what they reserved.
std::string_view PieceCounts::keep(std::string_view piece) {
  if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < piece.size()) {
    blocks_.emplace_back().reserve(std::max(kBlockBytes, piece.size()));
  }
  std::string& block = blocks_.back();
  size_t start = block.size();
  block += piece;
  return std::string_view(block).substr(start);
}

void PieceCounts::add_long(std::string_view piece, int64_t count) {
  occurrences_ += count;
  if (auto known = long_.find(piece); known != long_.end()) {
    known->second += count;
    return;
  }
  long_.emplace(keep(piece), count);
}

void PieceCounts::add(const PieceCounts& other) {
  other.each([&](std::string_view piece, int64_t count) { add(piece, count); });
}

uint64_t PieceCounts::distinct_bytes() const {
  uint64_t bytes = 0;
  each([&](std::string_view piece, int64_t) { bytes += piece.size(); });
  return bytes;
}

size_t safe_cut(std::string_view text, size_t wanted) {
  for (size_t at = std::max<size_t>(wanted, 2); at < text.size(); ++at) {
    if (text[at - 1] == '\n' && ascii_letter(text[at]) && ascii_graph(text[at - 2])) return at;
  }
  return text.size();
}

}  // namespace sextant::data
