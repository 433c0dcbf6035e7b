#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::data {

// Two tokens that may become one; a merge's rank is its place in the list.
struct Merge {
  int32_t left, right, result;
};

// A token that is cut out of text before anything else: always where kOrdinary, when asked for where
// kSpecial.
struct AddedToken {
  enum class Kind { kSpecial, kOrdinary };
  int32_t id;
  std::string text;
  Kind kind = Kind::kSpecial;
};

// Whether a piece that is a token as it stands is looked up, or merged like any other.
enum class WholePieces { kMerge, kLookUp };

// Whether a text that does not start with a space gets one.
enum class PrefixSpace { kNone, kAdded };

// All that makes up a byte-level BPE tokenizer. Ids are places in `tokens`.
struct TokenizerDefinition {
  std::vector<std::string> tokens;  // bytes; of added tokens: their text
  std::vector<Merge> merges;
  std::vector<std::string> expressions;  // each cuts the pieces of the one before
  std::vector<AddedToken> added;
  WholePieces whole_pieces = WholePieces::kMerge;
  PrefixSpace prefix_space = PrefixSpace::kNone;
};

}  // namespace sextant::data
