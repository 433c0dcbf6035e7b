#pragma once

#include <cstdint>

#include "data/token_shard.h"

namespace sextant::data {

enum class Split { kTrain, kValid };

// Documents [first, last) of a shard.
struct DocumentRange {
  int64_t first = 0, last = 0;
  bool operator==(const DocumentRange&) const = default;
};

DocumentRange all_documents(const TokenShard& shard);

// The part of a shard that belongs to a split when `fraction` of its tokens, from its end and in whole
// documents, is held out: the document boundary nearest to that place, with at least one document on either
// side. fraction in (0, 1). Throws Error(kInput) for a shard of one document.
DocumentRange split_documents(const TokenShard& shard, double fraction, Split split);

}  // namespace sextant::data
