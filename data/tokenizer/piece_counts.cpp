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

void PieceCounts::add(std::string_view piece, int64_t count) {
  occurrences_ += count;
  if (auto known = counts_.find(piece); known != counts_.end()) {
    known->second += count;
    return;
  }
  counts_.emplace(keep(piece), count);
  distinct_bytes_ += piece.size();
}

void PieceCounts::add(const PieceCounts& other) {
  for (const auto& [piece, count] : other.counts_) add(piece, count);
}

size_t safe_cut(std::string_view text, size_t wanted) {
  for (size_t at = std::max<size_t>(wanted, 2); at < text.size(); ++at) {
    if (text[at - 1] == '\n' && ascii_letter(text[at]) && ascii_graph(text[at - 2])) return at;
  }
  return text.size();
}

}  // namespace sextant::data
