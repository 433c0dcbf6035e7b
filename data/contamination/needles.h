#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/contamination/eval_items.h"

namespace sextant::data {

// What of an eval item is looked for in training text.
enum class Overlap { kCharacters, kWords };

inline constexpr size_t kOverlapCharacters = 50;  // GPT-4 technical report, appendix C
inline constexpr size_t kOverlapWords = 13;       // GPT-3, Brown et al. 2020, appendix C

struct NeedleSettings {
  enum class Substrings { kNone, kThree, kAll };
  Substrings substrings = Substrings::kThree;  // of 50 characters: three random ones, or each
  bool words = true;                           // 13-grams of words too
  uint64_t seed = 1;                           // of the random ones
};

// An eval item made ready: its characters and words (data/contamination/normal_text.h), and where in them the
// needles begin. A needle of characters has 50, or all that the item has if these are fewer; an item of fewer
// than 13 words has no needle of words.
struct PreparedItem {
  std::vector<uint32_t> characters;
  std::string words;
  struct Needle {
    Overlap overlap = Overlap::kCharacters;
    uint32_t begin = 0;   // in characters, or in bytes of `words`
    uint32_t length = 0;  // in the same
    uint64_t hash = 0;    // of words: see NgramHash; of characters 0
  };
  std::vector<Needle> needles;
};

// Whatever the item's place among others, its three random substrings are the same: they depend on the seed
// and its text.
PreparedItem prepare(const EvalItem& item, const NeedleSettings& settings);

// The hash of so many words in a row, rolled on word by word: powers of an odd number, modulo 2^64.
struct NgramHash {
  static constexpr uint64_t kFactor = 0x9e3779b97f4a7c15ULL;
  // kFactor to the power `count`.
  static uint64_t power(size_t count);
};

}  // namespace sextant::data
