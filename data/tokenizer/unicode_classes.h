#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::data {

// What split patterns tell apart, one bit each so that sets of classes are sums. Unicode 16's general
// categories, as tiktoken's and Hugging Face's regular expressions know them.
enum CharacterClass : uint8_t {
  kEnd = 0,        // no character: the end of the text, or bytes that are not UTF-8
  kOther = 1,      // punctuation, symbols, control characters, what is not assigned
  kLower = 2,      // Ll
  kUpper = 4,      // Lu, Lt
  kUncased = 8,    // Lm, Lo
  kMark = 16,      // M
  kNumber = 32,    // N
  kSpace = 64,     // White_Space but for the next
  kNewline = 128,  // \n and \r
};

// The class of every code point in two stages; made once, read by everyone.
class UnicodeClasses {
 public:
  static const UnicodeClasses& table();

  CharacterClass of(uint32_t code) const { return blocks_[stage_[code >> 8]][code & 0xff]; }

 private:
  UnicodeClasses();
  using Block = std::array<CharacterClass, 256>;
  std::array<uint16_t, 0x1100> stage_{};
  std::vector<Block> blocks_;
};

// Members of a property ("L", "Lu", "N", ...) that came after Unicode 14, as ranges for a character class of
// a regular expression: engines with older tables need them told. Empty for properties that it does not know.
std::string younger_members(std::string_view property);

// The generated table: code point << 4 | category, sorted; a code point has the category of the last entry at
// or below it. 0 none, then Lu, Lt, Ll, Lm, Lo, M, N, White_Space.
std::span<const uint32_t> unicode_class_starts();
// Bounds of ranges [from, to) of code points with a category that Unicode 14 did not have yet.
std::span<const uint32_t> younger_than_unicode_14();

}  // namespace sextant::data
