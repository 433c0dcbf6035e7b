#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::data {

// Text as it is compared when evals are looked for in training text.
//
// Characters: what is left without spaces and symbols: letters, marks and numbers of Unicode, letter case as
// it stands (GPT-4 technical report, appendix C). Words: what stands between white space, without symbols and
// in lower case, "don't" being one word (GPT-3, Brown et al. 2020, appendix C). Bytes that are not UTF-8
// count as symbols.
struct NormalText {
  std::vector<uint32_t> characters;  // code points
  std::string words;                 // in UTF-8, one space between two

  struct Word {
    uint32_t begin = 0, end = 0;  // bytes of `words`
    uint64_t hash = 0;
  };
  std::vector<Word> word_list;

  // Of the characters and words, those that begin in the first `own` bytes of the text.
  size_t own_characters = 0, own_words = 0;

  // Makes it anew of this text; memory is kept. Texts of 4 GiB and more are our own mistake.
  void assign(std::string_view text, size_t own);
  void assign(std::string_view text) { assign(text, text.size()); }

  // Words [first, first + count) with one space between two.
  std::string_view span(size_t first, size_t count) const {
    return std::string_view(words).substr(word_list[first].begin,
                                          word_list[first + count - 1].end - word_list[first].begin);
  }
};

// The byte of `text` at which its character (its word) number `index` begins, in the sense above; text.size()
// where there are fewer.
size_t byte_of_character(std::string_view text, size_t index);
size_t byte_of_word(std::string_view text, size_t index);

// How many bytes from `from` on hold `characters` characters and the ends of `words` words; npos where the
// text ends before.
size_t bytes_that_hold(std::string_view text, size_t from, size_t characters, size_t words);

// Characters as UTF-8.
std::string utf8_of(const uint32_t* characters, size_t count);

}  // namespace sextant::data
