#include "trainer/config/characters.h"

#include <fmt/format.h>

#include <cstdint>

namespace sextant::trainer {
namespace {

// Length of the UTF-8 character that starts at `at`, or 0: overlong forms, surrogates and code points past
// U+10FFFF are no characters (RFC 3629).
size_t character_length(std::string_view text, size_t at) {
  auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : uint8_t{0};
  };
  auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_control(std::string_view text, size_t at) {
  auto byte = static_cast<uint8_t>(text[at]);
  if (byte == '\r') return at + 1 >= text.size() || text[at + 1] != '\n';
  if (byte < 0x20) return byte != '\t' && byte != '\n';
  if (byte == 0x7f) return true;
  // U+0080 to U+009F
  return byte == 0xc2 && static_cast<uint8_t>(text[at + 1]) < 0xa0;
}

}  // namespace

std::optional<BadCharacter> bad_character(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t length = character_length(text, at);
    auto byte = static_cast<uint8_t>(text[at]);
    if (length == 0) {
      return BadCharacter{at, fmt::format("byte 0x{:02x} is not UTF-8; save the file as UTF-8 text", byte)};
    }
    if (byte == 0) return BadCharacter{at, "a NUL byte; this is not a text file, or it is damaged"};
    if (is_control(text, at)) {
      return BadCharacter{at, fmt::format("control character 0x{:02x}; remove it",
                                          static_cast<uint8_t>(text[at + length - 1]))};
    }
    at += length;
  }
  return std::nullopt;
}

}  // namespace sextant::trainer
