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

std::string HfVocabulary::bytes_of(std::string_view token, const TokenizerDefinition& definition) const {
  if (definition.alphabet == Alphabet::kCharacters) return std::string(token);
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
  read_unknown(definition);
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
    token.single_word = entry.flag("single_word").value_or(false);
    token.lstrip = entry.flag("lstrip").value_or(false);
    token.rstrip = entry.flag("rstrip").value_or(false);
    token.normalized = entry.flag("normalized").value_or(token.kind == AddedToken::Kind::kOrdinary);
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
    place.fail(fmt::format("{} has id {}; ids run from 0 to {} here", shown(bytes), id, count - 1));
  }
  auto at = static_cast<size_t>(id);
  if (filled_[at]) {
    place.fail(fmt::format("{} and {} both have id {}", shown(definition.tokens[at]), shown(bytes), id));
  }
  filled_[at] = 1;
  definition.tokens[at] = std::move(bytes);
}

// Ids that no token has may be left out between others, but not more than there are tokens, so that a short
// file can not ask for much memory.
void HfVocabulary::read_tokens(TokenizerDefinition& definition) {
  JsonField added = root_.optional_member("added_tokens").value_or(vocab_);
  auto beyond_vocabulary = [&](const AddedToken& token) { return !ids_.contains(token.text); };
  size_t count = ids_.size() + static_cast<size_t>(std::count_if(definition.added.begin(),
                                                                 definition.added.end(), beyond_vocabulary));
  if (count == 0) vocab_.fail("is empty");
  if (count > INT32_MAX) vocab_.fail(fmt::format("{} tokens are too many", count));
  int64_t highest = 0;
  for (const auto& [token, id] : ids_) highest = std::max(highest, id);
  for (const AddedToken& token : definition.added) highest = std::max<int64_t>(highest, token.id);
  if (highest >= 2 * static_cast<int64_t>(count)) {
    vocab_.fail(fmt::format("the highest id is {}, but there are {} tokens: more ids are left out than used",
                            highest, count));
  }
  definition.tokens.resize(static_cast<size_t>(highest) + 1);
  filled_.assign(definition.tokens.size(), 0);
  for (const auto& [token, id] : ids_) put(definition, vocab_, id, bytes_of(token, definition));
  for (const AddedToken& token : definition.added) {
    if (beyond_vocabulary(token)) {
      put(definition, added, token.id, token.text);
    } else {
      definition.tokens[static_cast<size_t>(token.id)] = token.text;
    }
  }
}

void HfVocabulary::read_unknown(TokenizerDefinition& definition) const {
  auto unknown = model_.optional_member("unk_token");
  if (!unknown || definition.alphabet == Alphabet::kBytes) return;
  auto known = ids_.find(unknown->text());
  if (known == ids_.end()) unknown->fail(fmt::format("{} is not in model.vocab", shown(unknown->text())));
  definition.characters.unknown = static_cast<int32_t>(known->second);
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
