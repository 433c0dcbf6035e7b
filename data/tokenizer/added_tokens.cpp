#include "data/tokenizer/added_tokens.h"

#include <algorithm>

namespace sextant::data {

void AddedTokens::add(const AddedToken& token) {
  if (token.text.empty()) return;
  std::vector<AddedToken>& list = by_first_byte_[static_cast<uint8_t>(token.text[0])];
  auto shorter = std::find_if(list.begin(), list.end(),
                              [&](const AddedToken& other) { return other.text.size() < token.text.size(); });
  list.insert(shorter, token);
  empty_ = false;
}

}  // namespace sextant::data
