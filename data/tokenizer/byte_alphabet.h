#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sextant::data {

// GPT-2's spelling of bytes as printable characters, which vocabularies in tokenizer.json are written in: the
// 188 bytes that print in Latin-1 stand for themselves, the other 68 (in order) for U+0100, U+0101, ... A
// space is "Ġ".
class ByteAlphabet {
 public:
  ByteAlphabet();

  // Any bytes, spelled out as UTF-8.
  std::string spell(std::string_view bytes) const;
  // The bytes that `text` (valid UTF-8) spells; nothing when a character is outside the alphabet.
  std::optional<std::string> bytes(std::string_view text) const;

 private:
  static constexpr int kCharacters = 0x144;  // the highest character is U+0143
  std::string spelling_[256];
  int16_t byte_of_[kCharacters];
};

// SentencePiece's spelling of single bytes: "<0x0A>" is 10. Nothing for other text.
std::optional<uint8_t> byte_of_fallback(std::string_view text);

}  // namespace sextant::data
