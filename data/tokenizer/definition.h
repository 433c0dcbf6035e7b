#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sextant::data {

// Two tokens that may become one.
struct Merge {
  int32_t left, right, result;
};

// Which of several possible merges goes first; the leftmost among equals.
enum class MergeOrder {
  kList,    // the one that stands first in the list
  kResult,  // the one whose result has the lowest id, as in tiktoken
};

// A token that is cut out of text before anything else: always where kOrdinary, when asked for where
// kSpecial.
struct AddedToken {
  enum class Kind { kSpecial, kOrdinary };
  int32_t id;
  std::string text;
  Kind kind = Kind::kSpecial;
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes along white space on its left
  bool rstrip = false;       // and on its right
  bool normalized = false;   // looked for in normalised text, and its own text is normalised for that
};

// Whether a piece that is a token as it stands is looked up, or merged like any other.
enum class WholePieces { kMerge, kLookUp };

// Whether a text that does not start with a space gets one.
enum class PrefixSpace { kNone, kAdded };

// What the merging of a piece starts from.
enum class Alphabet {
  kBytes,       // tokens are bytes
  kCharacters,  // SentencePiece's way: tokens are UTF-8 text, with bytes for characters that have no token
};

// One step of what is done to text before it is split.
struct NormalizerStep {
  enum class Kind { kNfc, kNfd, kNfkc, kNfkd, kLowercase, kPrepend, kReplace };
  Kind kind;
  std::string from;  // kReplace
  std::string to;    // kPrepend, kReplace
};

// What only tokenizers with Alphabet::kCharacters have.
struct CharacterSettings {
  // Spaces become U+2581 just before splitting: kNever as they are, kAlways with one in front of every
  // stretch between added tokens, kFirst with one in front of the stretch that the text starts with.
  enum class Mark { kNone, kNever, kAlways, kFirst };
  Mark mark = Mark::kNone;
  std::optional<int32_t> unknown;      // for what has neither token nor bytes
  bool one_unknown_a_run = false;      // neighbours that are unknown become one
  bool byte_fallback = false;          // tokens <0x00> to <0xFF> stand for bytes
  bool leading_space_is_mark = false;  // decoding a text takes one space from its front
};

// All that makes up a BPE tokenizer. Ids are places in `tokens`; an empty token is an id that stands for
// nothing.
struct TokenizerDefinition {
  std::vector<std::string> tokens;  // bytes; of added tokens: their text
  std::vector<Merge> merges;
  std::vector<std::string> expressions;  // each cuts the pieces of the one before
  std::vector<AddedToken> added;
  WholePieces whole_pieces = WholePieces::kMerge;
  PrefixSpace prefix_space = PrefixSpace::kNone;
  MergeOrder merge_order = MergeOrder::kList;
  std::vector<NormalizerStep> normalizer;
  Alphabet alphabet = Alphabet::kBytes;
  CharacterSettings characters;
  std::vector<int32_t> opening;  // ids that its own program puts before every text
};

}  // namespace sextant::data
