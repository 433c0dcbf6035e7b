#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sextant::trainer {

// The first byte of a text that a configuration may not hold, and why.
struct BadCharacter {
  size_t offset = 0;
  std::string what;
};

// Configuration text is UTF-8 without NUL and without control characters other than tab and line ends.
std::optional<BadCharacter> bad_character(std::string_view text);

}  // namespace sextant::trainer
