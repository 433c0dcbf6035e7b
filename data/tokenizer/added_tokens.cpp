#include "data/tokenizer/added_tokens.h"

#include <algorithm>

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"

namespace sextant::data {
namespace {

bool white(std::string_view text, size_t at) {
  Utf8Character character = utf8_character(text, at);
  return character.length > 0 && (UnicodeClasses::table().of(character.code) & (kSpace | kNewline)) != 0;
}

bool word_at(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  Utf8Character character = utf8_character(text, at);
  return character.length > 0 && word_character(character.code);
}

}  // namespace

void AddedTokens::add(const AddedToken& token) {
  if (token.text.empty()) return;
  auto first = static_cast<uint8_t>(token.text[0]);
  auto& same_start = by_first_byte_[first];
  auto place = std::find_if(same_start.begin(), same_start.end(),
                            [&](const AddedToken& other) { return other.text.size() < token.text.size(); });
  same_start.insert(place, token);
  if (starts_[first] == 0) first_bytes_.push_back(static_cast<char>(first));
  starts_[first] = 1;
  ++count_;
}

size_t AddedTokens::candidate(std::string_view all, size_t at) const {
  if (first_bytes_.size() == 1) return std::min(all.find(first_bytes_.front(), at), all.size());
  while (at < all.size() && starts_[static_cast<uint8_t>(all[at])] == 0) ++at;
  return at;
}

AddedTokens::Found AddedTokens::find(std::string_view all, size_t from, size_t done) const {
  for (size_t at = candidate(all, from); at < all.size(); at = candidate(all, at)) {
    const AddedToken* token = starting_at(all, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->text.size();
    at = end;
    bool inside_word = (begin > 0 && word_at(all, utf8_start_before(all, begin))) || word_at(all, end);
    if (token->single_word && inside_word) continue;
    while (token->lstrip && begin > done && white(all, utf8_start_before(all, begin))) {
      begin = utf8_start_before(all, begin);
    }
    while (token->rstrip && end < all.size() && white(all, end)) end += utf8_character(all, end).length;
    return {token, std::max(begin, done), std::max(end, done), at};
  }
  return {};
}

}  // namespace sextant::data
