#include "data/tokenizer/hf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/tokenizer/pair_table.h"

namespace sextant::data {
namespace {

// The start of a token for a message.
std::string shown(std::string_view token) {
  return fmt::format("'{}'", token.substr(0, 60));
}

}  // namespace

HfVocabulary::HfVocabulary(const JsonField& root)
    : root_(root), model_(root.member("model")), vocab_(model_.member("vocab")) {}

std::string HfVocabulary::bytes_of(std::string_view token) const {
  return alphabet_.bytes(token).value_or(std::string(token));
}

void HfVocabulary::fill(TokenizerDefinition& definition) {
  simdjson::dom::object entries = vocab_.object();
  for (auto [token, value] : entries) {
    int64_t id = 0;
    if (value.get_int64().get(id) != simdjson::SUCCESS)
      vocab_.fail(shown(token) + " must have a whole number");
    if (token.empty()) vocab_.fail(fmt::format("the token with id {} is empty", id));
    if (!ids_.emplace(token, id).second)
      vocab_.fail(fmt::format("the token {} stands there twice", shown(token)));
  }
  read_added(definition);
  read_tokens(definition);
  read_merges(definition);
}

void HfVocabulary::read_added(TokenizerDefinition& definition) {
  auto list = root_.optional_member("added_tokens");
  if (!list) return;
  size_t index = 0;
  for (simdjson::dom::element value : list->array()) {
    JsonField entry = list->element(index++, value);
    AddedToken token;
    JsonField id = entry.member("id");
    if (id.integer() < 0 || id.integer() > INT32_MAX) id.fail(fmt::format("{} is not an id", id.integer()));
    token.id = static_cast<int32_t>(id.integer());
    token.text = entry.member("content").text();
    if (token.text.empty()) entry.member("content").fail("is empty");
    token.kind =
        entry.flag("special").value_or(false) ? AddedToken::Kind::kSpecial : AddedToken::Kind::kOrdinary;
    for (const char* way : {"single_word", "lstrip", "rstrip"}) {
      if (token.kind == AddedToken::Kind::kOrdinary && entry.flag(way).value_or(false)) {
        entry.member(way).fail("true is not supported for a token that is not special; set it to false");
      }
    }
    if (auto known = ids_.find(token.text); known != ids_.end() && known->second != token.id) {
      entry.fail(
          fmt::format("{} has id {} here and {} in model.vocab", shown(token.text), token.id, known->second));
    }
    definition.added.push_back(std::move(token));
  }
}

void HfVocabulary::put(TokenizerDefinition& definition, const JsonField& place, int64_t id,
                       std::string bytes) {
  auto count = static_cast<int64_t>(filled_.size());
  if (id < 0 || id >= count) {
    place.fail(fmt::format("{} has id {}, but there are {} tokens, so ids run from 0 to {}", shown(bytes), id,
                           count, count - 1));
  }
  auto at = static_cast<size_t>(id);
  if (filled_[at]) {
    place.fail(fmt::format("{} and {} both have id {}", shown(definition.tokens[at]), shown(bytes), id));
  }
  filled_[at] = 1;
  definition.tokens[at] = std::move(bytes);
}

// As many ids as tokens, none beyond and none twice: so there are no holes.
void HfVocabulary::read_tokens(TokenizerDefinition& definition) {
  JsonField added = root_.optional_member("added_tokens").value_or(vocab_);
  auto beyond_vocabulary = [&](const AddedToken& token) { return !ids_.contains(token.text); };
  size_t count = ids_.size() + static_cast<size_t>(std::count_if(definition.added.begin(),
                                                                 definition.added.end(), beyond_vocabulary));
  if (count == 0) vocab_.fail("is empty");
  if (count > INT32_MAX) vocab_.fail(fmt::format("{} tokens are too many", count));
  definition.tokens.resize(count);
  filled_.assign(count, 0);
  for (const auto& [token, id] : ids_) put(definition, vocab_, id, bytes_of(token));
  for (const AddedToken& token : definition.added) {
    if (beyond_vocabulary(token)) {
      put(definition, added, token.id, token.text);
    } else {
      definition.tokens[static_cast<size_t>(token.id)] = token.text;
    }
  }
}

std::pair<std::string_view, std::string_view> HfVocabulary::merge_pair(const JsonField& merges, size_t rank,
                                                                       simdjson::dom::element value) const {
  if (value.is_string()) {
    std::string_view both = value.get_string().value_unsafe();
    size_t space = both.find(' ');
    if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos) {
      merges.element(rank, value)
          .fail(fmt::format("{} must be two tokens with one space between", shown(both)));
    }
    return {both.substr(0, space), both.substr(space + 1)};
  }
  JsonField place = merges.element(rank, value);
  simdjson::dom::array pair = place.array();
  if (pair.size() != 2) place.fail(fmt::format("must hold 2 tokens, but holds {}", pair.size()));
  return {place.element(0, pair.at(0).value_unsafe()).text(),
          place.element(1, pair.at(1).value_unsafe()).text()};
}

Merge HfVocabulary::merge_of(const JsonField& merges, size_t rank, simdjson::dom::element value) const {
  auto [left, right] = merge_pair(merges, rank, value);
  auto id_of = [&](std::string_view token, const char* what) {
    auto found = ids_.find(token);
    if (found == ids_.end()) {
      merges.element(rank, value).fail(fmt::format("{} {} is not in model.vocab", what, shown(token)));
    }
    return static_cast<int32_t>(found->second);
  };
  Merge merge;
  merge.left = id_of(left, "the token");
  merge.right = id_of(right, "the token");
  merge.result = id_of(std::string(left).append(right), "the merged token");
  return merge;
}

void HfVocabulary::read_merges(TokenizerDefinition& definition) const {
  JsonField merges = model_.member("merges");
  simdjson::dom::array list = merges.array();
  PairTable<int32_t> seen(std::min<size_t>(ids_.size(), size_t{1} << 20));
  size_t rank = 0;
  for (simdjson::dom::element value : list) {
    Merge merge = merge_of(merges, rank, value);
    if (auto [earlier, fresh] = seen.insert(merge.left, merge.right, static_cast<int32_t>(rank)); !fresh) {
      merges.element(rank, value).fail(fmt::format("the same merge stands at place {} already", earlier));
    }
    definition.merges.push_back(merge);
    ++rank;
  }
}

}  // namespace sextant::data
