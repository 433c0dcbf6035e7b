#include "data/held_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"

namespace sextant::data {

DocumentRange all_documents(const TokenShard& shard) {
  return {0, shard.documents()};
}

DocumentRange split_documents(const TokenShard& shard, double fraction, Split split) {
  expect(fraction > 0 && fraction < 1, "the held-out fraction lies between 0 and 1");
  if (shard.documents() < 2) {
    fail_input(fmt::format(
        "{}: whole documents are held out, and it has {}; build it with --new-document-at, or list "
        "held-out shards in data.valid and leave data.valid_fraction out",
        shard.prefix().string(), shard.documents()));
  }
  auto held = static_cast<int64_t>(std::llround(fraction * static_cast<double>(shard.tokens())));
  int64_t place = std::clamp<int64_t>(shard.tokens() - held, 0, std::max<int64_t>(0, shard.tokens() - 1));
  int64_t cut = shard.document_at(place);
  bool next_is_nearer = shard.document_begin(cut + 1) - place < place - shard.document_begin(cut);
  cut = std::clamp<int64_t>(next_is_nearer ? cut + 1 : cut, 1, shard.documents() - 1);
  return split == Split::kTrain ? DocumentRange{0, cut} : DocumentRange{cut, shard.documents()};
}

}  // namespace sextant::data
