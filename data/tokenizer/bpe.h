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
    std::vector<int32_t> ids, ranks, previous, next;
    std::vector<uint64_t> queue;
  };

  // Appends the ids of one piece. n log n in its length. A byte without a token of its own is left out, as
  // Hugging Face does; see missing_bytes().
  void encode(std::string_view piece, std::vector<int32_t>& ids, Workspace& work) const;

  // Bytes that no token stands for; empty in vocabularies that hold all 256, or a token for the unknown.
  std::vector<uint8_t> missing_bytes() const;

 private:
  struct Ranked {
    int32_t rank, result;
  };
  static constexpr int32_t kNoMerge = INT32_MAX;

  void learn_bytes(const TokenizerDefinition& definition, const std::vector<char>& added);
  void learn_characters(const TokenizerDefinition& definition);
  void start_from_bytes(std::string_view piece, std::vector<int32_t>& ids) const;
  void start_from_characters(std::string_view piece, std::vector<int32_t>& ids) const;
  int32_t rank(int32_t left, int32_t right) const;
  void merge_short(std::vector<int32_t>& ids, std::vector<int32_t>& ranks) const;
  void merge_long(std::vector<int32_t>& ids, Workspace& work) const;

  Alphabet alphabet_;
  std::array<int32_t, 256> byte_ids_;
  std::unordered_map<uint32_t, int32_t> character_ids_;  // Alphabet::kCharacters
  std::optional<int32_t> unknown_;
  bool one_unknown_a_run_;
  PairTable<Ranked> merges_;
  WholePieceTable whole_;  // empty unless pieces are looked up whole
};

}  // namespace sextant::data
