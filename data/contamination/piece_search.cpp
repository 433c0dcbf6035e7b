#include "data/contamination/piece_search.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sextant::data {
namespace {

// Lengths of the windows that roll: most needles have 50 characters, shorter ones are found by what they
// begin with.
constexpr std::array<size_t, 7> kAnchorLengths = {kOverlapCharacters, 32, 16, 8, 4, 2, 1};
constexpr size_t kMostExcerpt = 400;  // bytes

size_t anchor_of(size_t needle) {
  return *std::find_if(kAnchorLengths.begin(), kAnchorLengths.end(), [&](size_t a) { return a <= needle; });
}

uint64_t hash_of(const uint32_t* characters, size_t count) {
  uint64_t hash = 0;
  for (size_t i = 0; i < count; ++i) hash = hash * NgramHash::kFactor + characters[i];
  return hash;
}

}  // namespace

struct PieceSearch::Searched {
  const TextPiece& piece;
  const NormalText& normal;
  PieceOrder order;
};

PieceSearch::PieceSearch(const std::vector<EvalItem>& items, const NeedleSettings& settings)
    : found_(items.size()) {
  std::vector<HashIndex::Entry> words;
  std::array<std::vector<HashIndex::Entry>, kAnchorLengths.size()> characters;
  for (const EvalItem& item : items) {
    const PreparedItem& made = items_.emplace_back(prepare(item, settings));
    for (size_t i = 0; i < made.needles.size(); ++i) {
      const PreparedItem::Needle& needle = made.needles[i];
      HashIndex::Entry entry{needle.hash, static_cast<uint32_t>(items_.size() - 1), static_cast<uint32_t>(i)};
      if (needle.overlap == Overlap::kWords) {
        words.push_back(entry);
        continue;
      }
      size_t anchor = anchor_of(needle.length);
      entry.hash = hash_of(&made.characters[needle.begin], anchor);
      auto place = std::find(kAnchorLengths.begin(), kAnchorLengths.end(), anchor) - kAnchorLengths.begin();
      characters[static_cast<size_t>(place)].push_back(entry);
    }
  }
  for (size_t i = 0; i < characters.size(); ++i) {
    if (!characters[i].empty())
      anchors_.push_back(
          {kAnchorLengths[i], NgramHash::power(kAnchorLengths[i]), HashIndex(std::move(characters[i]))});
  }
  if (!words.empty()) ngrams_ = HashIndex(std::move(words));
}

void PieceSearch::search(const TextPiece& piece, PieceOrder order, NormalText& memory) {
  memory.assign(piece.text, piece.own);
  Searched text{piece, memory, order};
  for (const Anchor& anchor : anchors_) search_characters(anchor, text);
  if (!ngrams_.empty()) search_words(text);
}

void PieceSearch::search_characters(const Anchor& anchor, const Searched& text) {
  const std::vector<uint32_t>& characters = text.normal.characters;
  if (characters.size() < anchor.length) return;
  size_t windows = std::min(text.normal.own_characters, characters.size() - anchor.length + 1);
  uint64_t hash = hash_of(characters.data(), anchor.length);
  for (size_t at = 0; at < windows; ++at) {
    if (anchor.index.may_hold(hash)) {
      for (const HashIndex::Entry& entry : anchor.index.find(hash)) check(entry, text, at);
    }
    if (at + anchor.length == characters.size()) return;
    hash = hash * NgramHash::kFactor + (characters[at + anchor.length] - characters[at] * anchor.leaves);
  }
}

void PieceSearch::search_words(const Searched& text) {
  const std::vector<NormalText::Word>& words = text.normal.word_list;
  if (words.size() < kOverlapWords) return;
  static const uint64_t leaves = NgramHash::power(kOverlapWords - 1);
  uint64_t hash = 0;
  for (size_t next = 0; next < words.size(); ++next) {
    hash = hash * NgramHash::kFactor + words[next].hash;
    if (next + 1 < kOverlapWords) continue;
    size_t first = next + 1 - kOverlapWords;
    if (first >= text.normal.own_words) return;
    if (ngrams_.may_hold(hash)) {
      for (const HashIndex::Entry& entry : ngrams_.find(hash)) check(entry, text, first);
    }
    hash -= words[first].hash * leaves;
  }
}

// `at` counts characters, or words.
void PieceSearch::check(const HashIndex::Entry& entry, const Searched& text, size_t at) {
  const PreparedItem& item = items_[entry.item];
  const PreparedItem::Needle& needle = item.needles[entry.needle];
  if (text.order.work >= found_[entry.item][static_cast<size_t>(needle.overlap)].last_work) return;
  if (needle.overlap == Overlap::kWords) {
    if (text.normal.span(at, kOverlapWords) !=
        std::string_view(item.words).substr(needle.begin, needle.length))
      return;
  } else {
    if (at + needle.length > text.normal.characters.size()) return;
    if (std::memcmp(&text.normal.characters[at], &item.characters[needle.begin],
                    needle.length * sizeof(uint32_t)) != 0)
      return;
  }
  record(entry, text, at);
}

// Finding out where a place is takes a walk over the piece: only for those that are kept.
void PieceSearch::record(const HashIndex::Entry& entry, const Searched& text, size_t at) {
  auto kind = static_cast<size_t>(items_[entry.item].needles[entry.needle].overlap);
  Found& found = found_[entry.item][kind];
  HitOrder order{text.order.work, text.piece.document, text.piece.begin, at};
  {
    std::lock_guard lock(recording_);
    if (!adds_to(found, order, text.order.source)) return;
  }
  Hit hit{order, place_of(entry, text, at)};
  std::lock_guard lock(recording_);
  if (adds_to(found, order, text.order.source)) insert(found, std::move(hit));
}

bool PieceSearch::adds_to(const Found& found, const HitOrder& order, int32_t source) {
  for (const Hit& other : found.hits) {
    bool same = other.place.source == source && other.place.document == order.document;
    if (same) return order < other.order;
  }
  return found.hits.size() < ItemOverlap::kMostPlaces || order < found.hits.back().order;
}

void PieceSearch::insert(Found& found, Hit hit) {
  std::erase_if(found.hits, [&](const Hit& other) {
    return other.place.source == hit.place.source && other.place.document == hit.place.document;
  });
  auto behind = std::find_if(found.hits.begin(), found.hits.end(),
                             [&](const Hit& other) { return hit.order < other.order; });
  found.hits.insert(behind, std::move(hit));
  if (found.hits.size() > ItemOverlap::kMostPlaces) found.hits.pop_back();
  if (found.hits.size() == ItemOverlap::kMostPlaces) found.last_work = found.hits.back().order.work;
}

OverlapPlace PieceSearch::place_of(const HashIndex::Entry& entry, const Searched& text, size_t at) const {
  const PreparedItem& item = items_[entry.item];
  const PreparedItem::Needle& needle = item.needles[entry.needle];
  bool words = needle.overlap == Overlap::kWords;
  std::string_view all = text.piece.text;
  size_t begin = words ? byte_of_word(all, at) : byte_of_character(all, at);
  size_t length = bytes_that_hold(all, begin, words ? 0 : needle.length, words ? kOverlapWords : 0);
  return {text.order.source, text.piece.document, text.piece.position(begin),
          words ? item.words.substr(needle.begin, needle.length)
                : utf8_of(&item.characters[needle.begin], needle.length),
          std::string(all.substr(begin, std::min(length, kMostExcerpt)))};
}

std::vector<ItemOverlap> PieceSearch::results() const {
  std::vector<ItemOverlap> results(items_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    for (const PreparedItem::Needle& needle : items_[i].needles)
      ++results[i].needles[static_cast<size_t>(needle.overlap)];
    for (size_t kind = 0; kind < 2; ++kind) {
      for (const Hit& hit : found_[i][kind].hits) results[i].places[kind].push_back(hit.place);
    }
  }
  return results;
}

}  // namespace sextant::data
