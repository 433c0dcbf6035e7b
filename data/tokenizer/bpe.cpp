#include "data/tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/utf8.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Below this a scan for the lowest rank beats a queue.
constexpr size_t kShortPiece = 100;

constexpr int32_t kEnd = -1;

uint64_t queue_entry(int32_t rank, int32_t place) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(rank)) << 32) | static_cast<uint32_t>(place);
}

}  // namespace

Bpe::Bpe(const TokenizerDefinition& definition)
    : alphabet_(definition.alphabet),
      unknown_(definition.characters.unknown),
      one_unknown_a_run_(definition.characters.one_unknown_a_run),
      merges_(definition.merges.size()) {
  byte_ids_.fill(-1);
  std::vector<char> added(definition.tokens.size(), 0);
  for (const AddedToken& token : definition.added) added[static_cast<size_t>(token.id)] = 1;
  if (alphabet_ == Alphabet::kBytes) {
    learn_bytes(definition, added);
  } else {
    learn_characters(definition);
  }
  for (size_t id = 0; id < definition.tokens.size(); ++id) {
    if (definition.whole_pieces == WholePieces::kLookUp && !added[id] && !definition.tokens[id].empty()) {
      whole_.add(definition.tokens[id], static_cast<int32_t>(id));
    }
  }
  bool by_result = definition.merge_order == MergeOrder::kResult;
  for (size_t place = 0; place < definition.merges.size(); ++place) {
    const Merge& merge = definition.merges[place];
    int32_t rank = by_result ? merge.result : static_cast<int32_t>(place);
    merges_.insert(merge.left, merge.right, {rank, merge.result});
  }
}

void Bpe::learn_bytes(const TokenizerDefinition& definition, const std::vector<char>& added) {
  for (size_t id = 0; id < definition.tokens.size(); ++id) {
    const std::string& bytes = definition.tokens[id];
    if (!added[id] && bytes.size() == 1) byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
  }
}

void Bpe::learn_characters(const TokenizerDefinition& definition) {
  for (size_t at = 0; at < definition.tokens.size(); ++at) {
    const std::string& text = definition.tokens[at];
    auto id = static_cast<int32_t>(at);
    if (text.empty()) continue;
    if (Utf8Character first = utf8_character(text, 0); first.length == text.size()) {
      character_ids_.emplace(first.code, id);
    }
    if (auto byte = byte_of_fallback(text); byte && definition.characters.byte_fallback)
      byte_ids_[*byte] = id;
  }
}

std::vector<uint8_t> Bpe::missing_bytes() const {
  std::vector<uint8_t> missing;
  if (unknown_) return missing;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bool known = byte_ids_[byte] >= 0 || (byte < 0x80 && character_ids_.contains(byte));
    if (!known) missing.push_back(static_cast<uint8_t>(byte));
  }
  return missing;
}

int32_t Bpe::rank(int32_t left, int32_t right) const {
  const Ranked* merge = merges_.find(left, right);
  return merge == nullptr ? kNoMerge : merge->rank;
}

void Bpe::start_from_bytes(std::string_view piece, std::vector<int32_t>& ids) const {
  ids.clear();
  for (char byte : piece) {
    int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id >= 0) ids.push_back(id);
  }
}

// A character is its token, or its bytes' tokens where all of them have one, or the unknown token.
void Bpe::start_from_characters(std::string_view piece, std::vector<int32_t>& ids) const {
  ids.clear();
  bool unknown_before = false;
  for (size_t at = 0; at < piece.size();) {
    Utf8Character character = utf8_character(piece, at);
    size_t length = std::max<size_t>(character.length, 1);
    std::string_view bytes = piece.substr(at, length);
    at += length;
    auto known = character.length > 0 ? character_ids_.find(character.code) : character_ids_.end();
    auto has_token = [&](char byte) { return byte_ids_[static_cast<uint8_t>(byte)] >= 0; };
    if (known != character_ids_.end()) {
      ids.push_back(known->second);
    } else if (std::all_of(bytes.begin(), bytes.end(), has_token)) {
      for (char byte : bytes) ids.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    } else {
      if (unknown_ && !(unknown_before && one_unknown_a_run_)) ids.push_back(*unknown_);
      unknown_before = true;
      continue;
    }
    unknown_before = false;
  }
}

void Bpe::encode(std::string_view piece, std::vector<int32_t>& ids, Workspace& work) const {
  if (!whole_.empty()) {
    if (int32_t id = whole_.find(piece); id != WholePieceTable::kNone) return ids.push_back(id);
  }
  if (alphabet_ == Alphabet::kBytes) {
    start_from_bytes(piece, work.ids);
  } else {
    start_from_characters(piece, work.ids);
  }
  if (work.ids.size() < kShortPiece) {
    merge_short(work.ids, work.ranks);
  } else {
    merge_long(work.ids, work);
  }
  ids.insert(ids.end(), work.ids.begin(), work.ids.end());
}

void Bpe::merge_short(std::vector<int32_t>& ids, std::vector<int32_t>& ranks) const {
  size_t count = ids.size();
  if (count < 2) return;
  ranks.resize(count);  // of the pair that starts there
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = rank(ids[i], ids[i + 1]);
  while (count > 1) {
    size_t lowest = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[lowest]) lowest = i;
    }
    if (ranks[lowest] == kNoMerge) break;
    ids[lowest] = merges_.find(ids[lowest], ids[lowest + 1])->result;
    for (size_t i = lowest + 1; i + 1 < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    --count;
    if (lowest > 0) ranks[lowest - 1] = rank(ids[lowest - 1], ids[lowest]);
    if (lowest + 1 < count) ranks[lowest] = rank(ids[lowest], ids[lowest + 1]);
  }
  ids.resize(count);
}

// A linked list of tokens and a queue of (rank, place): an entry counts only while its place still has that
// rank.
void Bpe::merge_long(std::vector<int32_t>& ids, Workspace& work) const {
  if (ids.size() > INT32_MAX) {
    fail_input(fmt::format("a word of {} bytes is too long to encode; at most {} are possible, cut the text",
                           ids.size(), INT32_MAX));
  }
  auto count = static_cast<int32_t>(ids.size());
  auto at = [](int32_t place) { return static_cast<size_t>(place); };
  work.ranks.assign(ids.size(), kNoMerge);
  work.previous.resize(ids.size());
  work.next.resize(ids.size());
  work.queue.clear();
  auto later = std::greater<uint64_t>();
  for (int32_t i = 0; i < count; ++i) {
    work.previous[at(i)] = i - 1;
    work.next[at(i)] = i + 1 < count ? i + 1 : kEnd;
    if (i + 1 < count) work.ranks[at(i)] = rank(ids[at(i)], ids[at(i + 1)]);
    if (work.ranks[at(i)] != kNoMerge) work.queue.push_back(queue_entry(work.ranks[at(i)], i));
  }
  std::make_heap(work.queue.begin(), work.queue.end(), later);
  auto rank_again = [&](int32_t place) {
    int32_t right = work.next[at(place)];
    work.ranks[at(place)] = right == kEnd ? kNoMerge : rank(ids[at(place)], ids[at(right)]);
    if (work.ranks[at(place)] == kNoMerge) return;
    work.queue.push_back(queue_entry(work.ranks[at(place)], place));
    std::push_heap(work.queue.begin(), work.queue.end(), later);
  };
  while (!work.queue.empty()) {
    uint64_t entry = work.queue.front();
    std::pop_heap(work.queue.begin(), work.queue.end(), later);
    work.queue.pop_back();
    auto place = static_cast<int32_t>(entry & 0xffffffffu);
    if (work.ranks[at(place)] != static_cast<int32_t>(entry >> 32)) continue;
    int32_t right = work.next[at(place)], beyond = work.next[at(right)];
    ids[at(place)] = merges_.find(ids[at(place)], ids[at(right)])->result;
    work.ranks[at(right)] = kNoMerge;
    work.next[at(place)] = beyond;
    if (beyond != kEnd) work.previous[at(beyond)] = place;
    rank_again(place);
    if (int32_t left = work.previous[at(place)]; left != kEnd) rank_again(left);
  }
  size_t kept = 0;
  for (int32_t i = 0; i != kEnd; i = work.next[at(i)]) ids[kept++] = ids[at(i)];
  ids.resize(kept);
}

}  // namespace sextant::data
