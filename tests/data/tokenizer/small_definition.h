#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "data/tokenizer/definition.h"
#include "parallel/base/seed.h"

namespace sextant::data {

// All 256 bytes (byte b is id b) and these merges, from 256 on.
inline TokenizerDefinition definition_with(const std::vector<std::pair<std::string, std::string>>& merges) {
  TokenizerDefinition definition;
  for (int byte = 0; byte < 256; ++byte) definition.tokens.emplace_back(1, static_cast<char>(byte));
  auto id_of = [&](const std::string& bytes) {
    auto found = std::find(definition.tokens.begin(), definition.tokens.end(), bytes);
    return static_cast<int32_t>(found - definition.tokens.begin());
  };
  for (const auto& [left, right] : merges) {
    auto result = static_cast<int32_t>(definition.tokens.size());
    definition.merges.push_back({id_of(left), id_of(right), result});
    definition.tokens.push_back(left + right);
  }
  return definition;
}

// Text put together from `parts` at random, the same every time.
inline std::string random_text(const std::vector<std::string>& parts, size_t count, uint64_t seed) {
  RandomKey key(seed, "tokenizer test");
  std::string text;
  for (size_t i = 0; i < count; ++i) text += parts[key.below(parts.size(), 0, i)];
  return text;
}

inline std::string random_bytes(size_t count, uint64_t seed) {
  RandomKey key(seed, "tokenizer test bytes");
  std::string text;
  for (size_t i = 0; i < count; ++i) text += static_cast<char>(key.below(256, 0, i));
  return text;
}

}  // namespace sextant::data
