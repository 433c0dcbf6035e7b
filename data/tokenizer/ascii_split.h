#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sextant::data {

// A short cut through the well-known split patterns: finds the end of a piece by hand as long as every
// character that could decide it is ASCII. Several times as fast as the regular expression, and equal to it.
class AsciiSplit {
 public:
  enum class Kind { kNone, kGpt2, kCl100k, kO200k };
  explicit AsciiSplit(Kind kind = Kind::kNone) : kind_(kind) {}

  // The end of the piece that starts at `at` (below text.size()), or 0 when the expression has to decide.
  size_t piece_end(std::string_view text, size_t at) const;

 private:
  Kind kind_;
};

}  // namespace sextant::data
