#include "trainer/checkpoint/json_bounds.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr size_t kMostBlanks = size_t{16} << 10;

// The place behind a string that begins at `at`, or the text's end.
size_t behind_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

}  // namespace

void check_json_bounds(std::string_view text, const std::string& origin, const JsonBounds& bounds) {
  int depth = 0;
  int64_t values = 1;
  size_t blanks = 0;
  for (size_t at = 0; at < text.size(); at = text[at] == '"' ? behind_string(text, at) : at + 1) {
    char c = text[at];
    blanks = is_blank(c) ? blanks + 1 : 0;
    if (c == '[' || c == '{') ++depth, ++values;
    if (c == ']' || c == '}') --depth;
    if (c == ',') ++values;
    if (depth > bounds.depth)
      fail_input(fmt::format("{}: nested deeper than {} levels", origin, bounds.depth));
    if (values > bounds.values)
      fail_input(fmt::format("{}: holds more than {} values", origin, bounds.values));
    if (blanks > kMostBlanks)
      fail_input(fmt::format("{}: holds more than {} blanks in a row", origin, kMostBlanks));
  }
}

}  // namespace sextant::trainer
