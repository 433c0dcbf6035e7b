#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// Finds tokens that stand in text literally: the leftmost first, the longest among those that start together.
class AddedTokens {
 public:
  // Those of `tokens` that `wanted` is true for.
  template <class Wanted>
  AddedTokens(const std::vector<AddedToken>& tokens, Wanted wanted) {
    for (const AddedToken& token : tokens) {
      if (wanted(token)) add(token);
    }
  }

  bool empty() const { return empty_; }

  // Calls text(std::string_view) for the stretches between tokens and token(int32_t id) for each token, in
  // order.
  template <class Text, class Token>
  void cut(std::string_view all, Text&& text, Token&& token) const {
    size_t done = 0;
    for (size_t at = 0; !empty_ && at < all.size();) {
      const AddedToken* found = starting_at(all, at);
      if (found == nullptr) {
        ++at;
        continue;
      }
      if (at > done) text(all.substr(done, at - done));
      token(found->id);
      done = at += found->text.size();
    }
    if (done < all.size()) text(all.substr(done));
  }

 private:
  void add(const AddedToken& token);
  const AddedToken* starting_at(std::string_view all, size_t at) const {
    for (const AddedToken& token : by_first_byte_[static_cast<uint8_t>(all[at])]) {
      if (all.substr(at, token.text.size()) == token.text) return &token;
    }
    return nullptr;
  }

  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
  bool empty_ = true;
};

}  // namespace sextant::data
