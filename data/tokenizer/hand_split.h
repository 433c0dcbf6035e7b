#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "data/tokenizer/unicode_classes.h"

namespace sextant::data {

// The well-known split patterns written out by hand: ten times as fast as their regular expressions, the same
// pieces on any text, and Unicode's tables are our own. A run of bytes that are not UTF-8 is a piece, and
// ends the pieces before it.
class HandSplit {
 public:
  enum class Kind {
    kGpt2,    // GPT-2's expression, and r50k's and p50k's, which cut the same pieces
    kCl100k,  // as tiktoken has it: white space at the end of a text is one piece
    kLlama3,  // Llama 3's, and cl100k's older spelling: there too a newline ends its piece
    kQwen2,   // Llama 3's with each digit alone
    kO200k,
    kDigits,  // \p{N}: each digit alone, all else together
  };
  explicit HandSplit(Kind kind) : kind_(kind), classes_(&UnicodeClasses::table()) {}

  // Where the pieces from `at` on end, as many as fit in `ends`; the result says how many. None is left where
  // at == text.size().
  size_t piece_ends(std::string_view text, size_t at, std::span<size_t> ends) const;

 private:
  Kind kind_;
  const UnicodeClasses* classes_;
};

}  // namespace sextant::data
