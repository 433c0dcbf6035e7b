#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sextant::trainer {

// How much of a JSON text is read.
struct JsonBounds {
  int depth = 32;
  int64_t values = INT64_MAX;
};

// Throws Error(kInput) naming `origin` when the text is nested deeper than that, holds more values, or 16 KiB
// of blanks in a row: parsers take many times the text's size for these, or the time's square. Says nothing
// else of the text; whether it is JSON at all is the parser's to find.
void check_json_bounds(std::string_view text, const std::string& origin, const JsonBounds& bounds);

}  // namespace sextant::trainer
