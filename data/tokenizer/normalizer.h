#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// What is done to text before it is split: Unicode's normal forms, replacements. Bytes that are not UTF-8
// stay as they are. Threads may share it.
class Normalizer {
 public:
  explicit Normalizer(const std::vector<NormalizerStep>& steps);
  ~Normalizer();

  // The normalised text: `text` itself where nothing changes, else `memory`.
  std::string_view apply(std::string_view text, std::string& memory) const;

 private:
  class Step;
  std::vector<std::unique_ptr<const Step>> steps_;
};

// Whether a character belongs to words (regular expressions' \w).
bool word_character(uint32_t code);

}  // namespace sextant::data
