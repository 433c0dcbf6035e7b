#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/tokenizer/definition.h"
#include "data/tokenizer/piece_counts.h"

namespace sextant::data {

// The merges that byte-level BPE finds in counted pieces, in order: each time the pair of neighbours that
// occurs most often becomes a token; of equals the one with the lower left id, then the lower right id. Bytes
// are ids 0 to 255 and the first merge makes 256. Ends early when no piece has two tokens left. `each` is
// called after every merge.
std::vector<Merge> find_merges(const PieceCounts& pieces, int32_t wanted,
                               const std::function<void(int32_t)>& each);

}  // namespace sextant::data
