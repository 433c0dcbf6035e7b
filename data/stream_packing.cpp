#include "data/stream_packing.h"

#include <algorithm>

namespace sextant::data {

StreamPacking::StreamPacking(const TokenShard& shard, DocumentRange documents, int64_t context,
                             int64_t vocabulary, Boundaries boundaries)
    : shard_(shard),
      begin_(shard.document_begin(documents.first)),
      end_(shard.document_begin(documents.last)),
      context_(context),
      vocabulary_(vocabulary),
      boundaries_(boundaries) {}

int64_t StreamPacking::count() const {
  return std::max<int64_t>(0, end_ - begin_ - 1) / context_;
}

void StreamPacking::fill(int64_t row, const RowSlot& slot) const {
  int64_t begin = begin_ + row * context_;
  std::vector<int64_t> ids(static_cast<size_t>(context_ + 1));
  shard_.read(begin, ids);
  shard_.check_vocabulary(begin, ids, vocabulary_);
  place_ids(slot, ids);
  if (boundaries_ == Boundaries::kReset) {
    lay_out(slot, document_begins(begin), boundaries_);
  } else {
    lay_out(slot, std::vector<int64_t>{0}, boundaries_);
  }
}

std::vector<int64_t> StreamPacking::document_begins(int64_t begin) const {
  std::vector<int64_t> begins{0};
  for (int64_t document = shard_.document_at(begin) + 1; document < shard_.documents(); ++document) {
    int64_t offset = shard_.document_begin(document) - begin;
    if (offset > context_) break;
    if (offset > begins.back()) begins.push_back(offset);  // an empty document begins where the next one does
  }
  return begins;
}

}  // namespace sextant::data
