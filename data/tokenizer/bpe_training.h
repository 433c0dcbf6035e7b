#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tokenizer/definition.h"

namespace sextant::data {

struct BpeTrainingSettings {
  int32_t vocabulary = 0;          // tokens in all: 256 bytes, the merges and the special tokens
  std::string pattern = "cl100k";  // see SplitPattern::names()
  std::vector<std::string> special = {"<|endoftext|>"};
  int threads = 1;
};

// Replaces `text` by the next document; false when there is none.
using NextDocument = std::function<bool(std::string& text)>;
// Told after each merge how many are done, of how many.
using MergeProgress = std::function<void(int32_t done, int32_t wanted)>;

// Learns a byte-level BPE tokenizer: byte b is id b, merges follow in the order in which they were found,
// special tokens come last. A pure function of the documents and settings but for `threads`, which only makes
// it faster. The text of special tokens in documents is passed over. Fewer tokens than asked come out when
// the text has no pair left to merge. Throws Error(kInput) for an empty corpus, a vocabulary that is too
// small and bad special tokens.
TokenizerDefinition train_bpe(const BpeTrainingSettings& settings, const NextDocument& next,
                              const MergeProgress& progress);

}  // namespace sextant::data
