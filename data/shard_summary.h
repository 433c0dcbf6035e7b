#pragma once

#include <cstdint>
#include <vector>

#include "data/token_shard.h"

namespace sextant::data {

// What `sextant data inspect` says about a shard, from its index alone.
struct ShardSummary {
  int64_t documents = 0, sequences = 0, tokens = 0;
  int64_t empty_documents = 0;
  int64_t shortest = 0, longest = 0;  // tokens of a document
  double mean = 0;
};

ShardSummary summarize(const TokenShard& shard);

// At most `count` documents by a fixed random choice, rising.
std::vector<int64_t> sample_documents(const TokenShard& shard, int64_t count);

}  // namespace sextant::data
