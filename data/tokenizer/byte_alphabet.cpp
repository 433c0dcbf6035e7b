#include "data/tokenizer/byte_alphabet.h"

#include <algorithm>

namespace sextant::data {
namespace {

bool prints_in_latin1(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// Every character of the alphabet is below U+0800.
std::string utf8(int character) {
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xc0 | (character >> 6)), static_cast<char>(0x80 | (character & 0x3f))};
}

}  // namespace

ByteAlphabet::ByteAlphabet() {
  std::fill(std::begin(byte_of_), std::end(byte_of_), int16_t{-1});
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    int character = prints_in_latin1(byte) ? byte : next++;
    spelling_[byte] = utf8(character);
    byte_of_[character] = static_cast<int16_t>(byte);
  }
}

std::string ByteAlphabet::spell(std::string_view bytes) const {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 4);
  for (char byte : bytes) text += spelling_[static_cast<uint8_t>(byte)];
  return text;
}

std::optional<std::string> ByteAlphabet::bytes(std::string_view text) const {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    int character = static_cast<uint8_t>(text[at++]);
    if (character >= 0xe0) return std::nullopt;
    if (character >= 0x80) {
      if (character < 0xc0 || at == text.size()) return std::nullopt;
      character = ((character & 0x1f) << 6) | (static_cast<uint8_t>(text[at++]) & 0x3f);
    }
    if (character >= kCharacters || byte_of_[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte_of_[character]));
  }
  return bytes;
}

std::optional<uint8_t> byte_of_fallback(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  size_t high = kDigits.find(text[3]), low = kDigits.find(text[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(high << 4 | low);
}

}  // namespace sextant::data
