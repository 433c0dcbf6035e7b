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

constexpr int32_t kNoPiece = -1;

// Ordered by rank, then from left to right.
uint64_t queue_entry(uint64_t merge, int32_t place) {
  return (merge & ~uint64_t{0xffffffff}) | static_cast<uint32_t>(place);
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
  learn_merges(definition);
}

void Bpe::learn_merges(const TokenizerDefinition& definition) {
  bool by_result = definition.merge_order == MergeOrder::kResult;
  for (size_t place = 0; place < definition.merges.size(); ++place) {
    const Merge& merge = definition.merges[place];
    uint64_t rank = by_result ? static_cast<uint64_t>(merge.result) : place;
    merges_.insert(merge.left, merge.right, rank << 32 | static_cast<uint64_t>(merge.result));
  }
  byte_merges_.assign(size_t{1} << 16, kNoMerge);
  for (size_t pair = 0; pair < byte_merges_.size(); ++pair) {
    int32_t left = byte_ids_[pair >> 8], right = byte_ids_[pair & 0xff];
    if (left >= 0 && right >= 0) byte_merges_[pair] = merge_of(left, right);
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

void Bpe::start_from_bytes(std::string_view piece, Workspace& work) const {
  work.ids.resize(piece.size());
  work.merges.resize(piece.size());
  size_t count = 0, before = 0;
  for (char letter : piece) {
    auto byte = static_cast<uint8_t>(letter);
    if (byte_ids_[byte] < 0) continue;
    if (count > 0) work.merges[count - 1] = byte_merges_[before << 8 | byte];
    work.ids[count++] = byte_ids_[byte];
    before = byte;
  }
  work.ids.resize(count);
  work.merges.resize(count);  // less where bytes have no token
}

// A character is its token, or its bytes' tokens where all of them have one, or the unknown token.
void Bpe::start_from_characters(std::string_view piece, Workspace& work) const {
  std::vector<int32_t>& ids = work.ids;
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
  work.merges.resize(ids.size());
  for (size_t i = 0; i + 1 < ids.size(); ++i) work.merges[i] = merge_of(ids[i], ids[i + 1]);
}

void Bpe::encode(std::string_view piece, std::vector<int32_t>& ids, Workspace& work) const {
  if (!whole_.empty()) {
    if (int32_t id = whole_.find(piece); id != WholePieceTable::kNone) return ids.push_back(id);
  }
  if (alphabet_ == Alphabet::kBytes) {
    start_from_bytes(piece, work);
  } else {
    start_from_characters(piece, work);
  }
  if (work.ids.size() < kShortPiece) {
    merge_short(work);
  } else {
    merge_long(work);
  }
  ids.insert(ids.end(), work.ids.begin(), work.ids.end());
}

void Bpe::merge_short(Workspace& work) const {
  size_t count = work.ids.size();
  int32_t* ids = work.ids.data();
  Ranked* merges = work.merges.data();  // of the pair that starts there
  while (count > 1) {
    size_t lowest = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (merges[i] < merges[lowest]) lowest = i;
    }
    if (merges[lowest] == kNoMerge) break;
    ids[lowest] = result_of(merges[lowest]);
    --count;
    std::copy(ids + lowest + 2, ids + count + 1, ids + lowest + 1);
    std::copy(merges + lowest + 2, merges + count + 1, merges + lowest + 1);
    if (lowest > 0) merges[lowest - 1] = merge_of(ids[lowest - 1], ids[lowest]);
    if (lowest + 1 < count) merges[lowest] = merge_of(ids[lowest], ids[lowest + 1]);
  }
  work.ids.resize(count);
}

// A linked list of tokens and a queue of (rank, place): an entry counts only while its place still has that
// rank.
void Bpe::merge_long(Workspace& work) const {
  std::vector<int32_t>& ids = work.ids;
  if (ids.size() > INT32_MAX) {
    fail_input(fmt::format("a word of {} bytes is too long to encode; at most {} are possible, cut the text",
                           ids.size(), INT32_MAX));
  }
  auto count = static_cast<int32_t>(ids.size());
  auto at = [](int32_t place) { return static_cast<size_t>(place); };
  work.merges.back() = kNoMerge;
  work.previous.resize(ids.size());
  work.next.resize(ids.size());
  work.queue.clear();
  auto later = std::greater<uint64_t>();
  for (int32_t i = 0; i < count; ++i) {
    work.previous[at(i)] = i - 1;
    work.next[at(i)] = i + 1 < count ? i + 1 : kNoPiece;
    if (work.merges[at(i)] != kNoMerge) work.queue.push_back(queue_entry(work.merges[at(i)], i));
  }
  std::make_heap(work.queue.begin(), work.queue.end(), later);
  auto rank_again = [&](int32_t place) {
    int32_t right = work.next[at(place)];
    Ranked merge = right == kNoPiece ? kNoMerge : merge_of(ids[at(place)], ids[at(right)]);
    work.merges[at(place)] = merge;
    if (merge == kNoMerge) return;
    work.queue.push_back(queue_entry(merge, place));
    std::push_heap(work.queue.begin(), work.queue.end(), later);
  };
  while (!work.queue.empty()) {
    uint64_t entry = work.queue.front();
    std::pop_heap(work.queue.begin(), work.queue.end(), later);
    work.queue.pop_back();
    auto place = static_cast<int32_t>(entry & 0xffffffffu);
    Ranked merge = work.merges[at(place)];
    if (queue_entry(merge, place) != entry) continue;
    int32_t right = work.next[at(place)], beyond = work.next[at(right)];
    ids[at(place)] = result_of(merge);
    work.merges[at(right)] = kNoMerge;
    work.next[at(place)] = beyond;
    if (beyond != kNoPiece) work.previous[at(beyond)] = place;
    rank_again(place);
    if (int32_t left = work.previous[at(place)]; left != kNoPiece) rank_again(left);
  }
  size_t kept = 0;
  for (int32_t i = 0; i != kNoPiece; i = work.next[at(i)]) ids[kept++] = ids[at(i)];
  ids.resize(kept);
}

}  // namespace sextant::data
