#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sextant::data {

// One character of UTF-8 text; length 0 where the bytes are not UTF-8 (a surrogate, an overlong spelling, a
// sequence cut short).
struct Utf8Character {
  uint32_t code = 0;
  uint32_t length = 0;
};

// The character at `at`, which is below text.size().
inline Utf8Character utf8_character(std::string_view text, size_t at) {
  auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : uint32_t{0};
  };
  auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xc2) return {};
  if (first < 0xe0) {
    if (!follows(1)) return {};
    return {(first & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  }
  if (first < 0xf0) {
    if (!follows(1) || !follows(2)) return {};
    uint32_t code = (first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < 0x800 || surrogate ? Utf8Character{} : Utf8Character{code, 3};
  }
  if (first > 0xf4 || !follows(1) || !follows(2) || !follows(3)) return {};
  uint32_t code = (first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
  return code < 0x10000 || code > 0x10ffff ? Utf8Character{} : Utf8Character{code, 4};
}

// Where the character that ends at `end` (above 0) starts; the byte before where it is not UTF-8.
inline size_t utf8_start_before(std::string_view text, size_t end) {
  for (size_t length = 1; length <= 4 && length <= end; ++length) {
    if (utf8_character(text.substr(0, end), end - length).length == length) return end - length;
  }
  return end - 1;
}

}  // namespace sextant::data
