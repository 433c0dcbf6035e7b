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

  bool empty() const { return count_ == 0; }

  struct Found {
    const AddedToken* token = nullptr;  // none: there is no further one
    size_t begin = 0, end = 0;          // with the white space that it takes along
    size_t next = 0;                    // where the search goes on
  };
  // The first token from `from` on; white space before `done` is taken already.
  Found find(std::string_view all, size_t from, size_t done) const;

  // Calls text(std::string_view) for the stretches between tokens and token(int32_t id) for each token, in
  // order.
  template <class Text, class Token>
  void cut(std::string_view all, Text&& text, Token&& token) const {
    size_t done = 0;
    if (count_ > 0) {
      for (Found found = find(all, 0, 0); found.token != nullptr; found = find(all, found.next, done)) {
        if (found.begin > done) text(all.substr(done, found.begin - done));
        token(found.token->id);
        done = found.end;
      }
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
  // The first place from `at` on where a token may start.
  size_t candidate(std::string_view all, size_t at) const;

  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
  std::array<char, 256> starts_{};                          // whether a token starts with the byte
  std::vector<char> first_bytes_;                           // the same as a list
  size_t count_ = 0;
};

}  // namespace sextant::data
