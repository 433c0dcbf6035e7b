#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/definition.h"
#include "data/tokenizer/pair_table.h"
#include "data/tokenizer/whole_pieces.h"

namespace sextant::data {

// Byte pair encoding (Sennrich et al. 2016): starting from single bytes (or characters), the neighbours whose
// merge has the lowest rank become one token, the leftmost first among equals, until no neighbours can merge.
// Threads may share it.
class Bpe {
 public:
  // The definition's tokens must outlive this object.
  explicit Bpe(const TokenizerDefinition& definition);

  // Working memory of one thread, kept between calls.
  struct Workspace {
    std::vector<int32_t> ids, previous, next;
    std::vector<uint64_t> merges, queue;
  };

  // Appends the ids of one piece. n log n in its length. A byte without a token of its own is left out, as
  // Hugging Face does; see missing_bytes().
  void encode(std::string_view piece, std::vector<int32_t>& ids, Workspace& work) const;

  // Bytes that no token stands for; empty in vocabularies that hold all 256, or a token for the unknown.
  std::vector<uint8_t> missing_bytes() const;

 private:
  // What two neighbours become, in one number so that the lowest goes first: rank << 32 | result.
  using Ranked = uint64_t;
  static constexpr Ranked kNoMerge = ~Ranked{0};
  static int32_t result_of(Ranked merge) { return static_cast<int32_t>(merge & 0x7fffffff); }

  void learn_bytes(const TokenizerDefinition& definition, const std::vector<char>& added);
  void learn_characters(const TokenizerDefinition& definition);
  void learn_merges(const TokenizerDefinition& definition);
  void start_from_bytes(std::string_view piece, Workspace& work) const;
  void start_from_characters(std::string_view piece, Workspace& work) const;
  Ranked merge_of(int32_t left, int32_t right) const {
    const Ranked* merge = merges_.find(left, right);
    return merge == nullptr ? kNoMerge : *merge;
  }
  void merge_short(Workspace& work) const;
  void merge_long(Workspace& work) const;

  Alphabet alphabet_;
  std::array<int32_t, 256> byte_ids_;
  std::unordered_map<uint32_t, int32_t> character_ids_;  // Alphabet::kCharacters
  std::optional<int32_t> unknown_;
  bool one_unknown_a_run_;
  PairTable<Ranked> merges_;
  std::vector<Ranked> byte_merges_;  // of two bytes, at left << 8 | right
  WholePieceTable whole_;            // empty unless pieces are looked up whole
};

}  // namespace sextant::data
