#include "data/shard_summary.h"

#include <algorithm>

#include "data/permutation.h"

namespace sextant::data {

ShardSummary summarize(const TokenShard& shard) {
  ShardSummary summary{shard.documents(), shard.sequences(), shard.tokens(), 0, 0, 0, 0};
  if (shard.documents() == 0) return summary;
  summary.shortest = shard.tokens();
  for (int64_t document = 0; document < shard.documents(); ++document) {
    int64_t length = shard.document_begin(document + 1) - shard.document_begin(document);
    summary.empty_documents += length == 0 ? 1 : 0;
    summary.shortest = std::min(summary.shortest, length);
    summary.longest = std::max(summary.longest, length);
  }
  summary.mean = static_cast<double>(shard.tokens()) / static_cast<double>(shard.documents());
  return summary;
}

std::vector<int64_t> sample_documents(const TokenShard& shard, int64_t count) {
  std::vector<int64_t> chosen;
  if (shard.documents() == 0) return chosen;
  Permutation shuffle(shard.documents(), RandomKey(0, "documents to look at"), 0);
  for (int64_t i = 0; i < std::min(count, shard.documents()); ++i) chosen.push_back(shuffle(i));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace sextant::data
