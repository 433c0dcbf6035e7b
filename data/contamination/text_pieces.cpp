#include "data/contamination/text_pieces.h"

#include <algorithm>

#include "data/contamination/needles.h"
#include "data/contamination/normal_text.h"

namespace sextant::data {

int64_t TextPiece::position(size_t byte) const {
  if (token_ends.empty()) return begin + static_cast<int64_t>(byte);
  auto token = std::upper_bound(token_ends.begin(), token_ends.end(), static_cast<uint32_t>(byte));
  return begin + (token - token_ends.begin());
}

bool begins_with_space(std::string_view text) {
  return !text.empty() && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'));
}

bool begins_a_character(std::string_view text) {
  return !text.empty() && (static_cast<uint8_t>(text[0]) & 0xc0) != 0x80;
}

size_t cut_behind(std::string_view text, size_t wanted) {
  size_t last = std::min(text.size(), wanted + kLongestWord);
  for (size_t at = wanted; at < last; ++at) {
    if (begins_with_space(text.substr(at))) return at;
  }
  for (size_t at = wanted; at < text.size(); ++at) {
    if (begins_a_character(text.substr(at))) return at;
  }
  return text.size();
}

size_t look_ahead(std::string_view text, size_t cut) {
  std::string_view seen = text.substr(0, std::min(text.size(), cut + kLongestLookAhead));
  size_t bytes = bytes_that_hold(seen, cut, kOverlapCharacters - 1, kOverlapWords - 1);
  return bytes == std::string_view::npos && seen.size() < text.size() ? kLongestLookAhead : bytes;
}

std::vector<TextPiece> pieces_of(std::string_view text, int64_t document) {
  std::vector<TextPiece> pieces;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.size() - begin <= kPieceBytes ? text.size() : cut_behind(text, begin + kPieceBytes);
    size_t behind = std::min(look_ahead(text, end), text.size() - end);
    TextPiece& piece = pieces.emplace_back();
    piece.text = text.substr(begin, end - begin + behind);
    piece.own = end - begin;
    piece.document = document;
    piece.begin = static_cast<int64_t>(begin);
    begin = end;
  }
  return pieces;
}

}  // namespace sextant::data
