#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/definition.h"
#include "data/tokenizer/json_field.h"

namespace sextant::data {

// The tokens and merges of a tokenizer.json: the part of it that is long. Fills tokens, merges and added of a
// definition and checks that no id stands there twice and that merges name tokens that exist.
class HfVocabulary {
 public:
  // `root` is the whole file; it must outlive this object.
  explicit HfVocabulary(const JsonField& root);

  void fill(TokenizerDefinition& definition);

 private:
  // The bytes that a vocabulary entry stands for; text outside the alphabet stands for itself.
  std::string bytes_of(std::string_view token, const TokenizerDefinition& definition) const;
  void read_added(TokenizerDefinition& definition);
  void read_tokens(TokenizerDefinition& definition);
  void put(TokenizerDefinition& definition, const JsonField& place, int64_t id, std::string bytes);
  void read_unknown(TokenizerDefinition& definition) const;
  void read_merges(TokenizerDefinition& definition) const;
  std::pair<std::string_view, std::string_view> merge_pair(const JsonField& merges, size_t rank,
                                                           simdjson::dom::element value) const;
  Merge merge_of(const JsonField& merges, size_t rank, simdjson::dom::element value) const;

  JsonField root_, model_, vocab_;
  ByteAlphabet alphabet_;
  std::unordered_map<std::string_view, int64_t> ids_;  // of the vocabulary's entries
  std::vector<char> filled_;                           // by id
};

}  // namespace sextant::data
