#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "data/contamination/hash_index.h"
#include "data/contamination/normal_text.h"
#include "data/contamination/search.h"

namespace sextant::data {

// The order of training text: pieces are numbered as they are handed out.
struct PieceOrder {
  int32_t source = 0;
  uint64_t work = 0;  // over all sources
};

// Every item's needles, ready for pieces of text to be searched by any number of threads at once. Hashes roll
// over the text (Karp and Rabin 1987); what they find is compared letter by letter.
class PieceSearch {
 public:
  PieceSearch(const std::vector<EvalItem>& items, const NeedleSettings& settings);

  // Records what of the needles begins in the piece's own bytes. `memory` belongs to the thread.
  void search(const TextPiece& piece, PieceOrder order, NormalText& memory);

  // What was found so far. Not while others search.
  std::vector<ItemOverlap> results() const;

 private:
  // Needles of so many characters or more are found by their first `length`.
  struct Anchor {
    size_t length = 0;
    uint64_t leaves = 0;  // what a character is multiplied by when its window has moved on
    HashIndex index;
  };
  // The order of places in the training text; of one item and kind of needle.
  struct HitOrder {
    uint64_t work = 0;
    int64_t document = 0, piece_begin = 0;
    size_t at = 0;  // character, or word, of the piece
    auto operator<=>(const HitOrder&) const = default;
  };
  struct Hit {
    HitOrder order;
    OverlapPlace place;
  };
  // The first places of an item, one a document.
  struct Found {
    std::vector<Hit> hits;                        // by order, ItemOverlap::kMostPlaces at most
    std::atomic<uint64_t> last_work{UINT64_MAX};  // hits of this work or later ones add nothing
  };
  struct Searched;  // a piece and its normal text

  std::vector<PreparedItem> items_;
  std::vector<Anchor> anchors_;
  HashIndex ngrams_;
  std::vector<std::array<Found, 2>> found_;  // [items][Overlap]
  std::mutex recording_;

  void search_characters(const Anchor& anchor, const Searched& text);
  void search_words(const Searched& text);
  void check(const HashIndex::Entry& entry, const Searched& text, size_t at);
  void record(const HashIndex::Entry& entry, const Searched& text, size_t at);
  static bool adds_to(const Found& found, const HitOrder& order, int32_t source);
  static void insert(Found& found, Hit hit);
  OverlapPlace place_of(const HashIndex::Entry& entry, const Searched& text, size_t at) const;
};

}  // namespace sextant::data
