#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/contamination/eval_items.h"
#include "data/contamination/needles.h"
#include "data/contamination/text_pieces.h"

namespace sextant::data {

// Where in the training text a needle of an item stands.
struct OverlapPlace {
  int32_t source = 0;    // index into the sources
  int64_t document = 0;  // of the source, from 0
  int64_t position = 0;  // in the document: bytes of a file's text, tokens of a shard
  std::string needle;    // as it was looked for
  std::string text;      // the training text there, as it stands
};

// What was found of one item: of each kind the first places of the first documents that hold it, in the order
// of the training text.
struct ItemOverlap {
  static constexpr size_t kMostPlaces = 3;
  std::array<std::vector<OverlapPlace>, 2> places;  // by Overlap
  std::array<int64_t, 2> needles{};                 // that the item has; 0: none of this kind was looked for

  bool found(Overlap overlap) const { return !places[static_cast<size_t>(overlap)].empty(); }
  bool contaminated() const { return found(Overlap::kCharacters) || found(Overlap::kWords); }
};

struct SearchResult {
  std::vector<ItemOverlap> items;  // as they were given
  int64_t documents = 0;
  int64_t text_bytes = 0;  // of training text, decoded and unpacked
  double seconds = 0;      // of the search, without the items' preparation
  int threads = 0;
};

// One of the places where training text is: opened when its turn comes.
using OpenPieces = std::function<std::unique_ptr<PieceSource>()>;

// Looks for every item's needles in the training text on `threads` threads (0: one a core), each of which
// holds a few pieces. The result does not depend on their number. Throws the sources' Error.
SearchResult find_overlaps(const std::vector<EvalItem>& items, const std::vector<OpenPieces>& sources,
                           const NeedleSettings& settings, int threads);

}  // namespace sextant::data
