#include "data/best_fit_packing.h"

#include <algorithm>
#include <limits>

#include "parallel/base/error.h"

namespace sextant::data {

BestFitPacking::BestFitPacking(const TokenShard& shard, DocumentRange documents, int64_t context,
                               int64_t vocabulary, Boundaries boundaries)
    : shard_(shard), context_(context), vocabulary_(vocabulary), boundaries_(boundaries) {
  expect(context < std::numeric_limits<int32_t>::max(), "a row's length fits 31 bits");
  cut_into_pieces(documents);
  rows_ = best_fit(lengths_, context + 1);
}

void BestFitPacking::cut_into_pieces(DocumentRange documents) {
  for (int64_t document = documents.first; document < documents.last; ++document) {
    int64_t begin = shard_.document_begin(document), end = shard_.document_begin(document + 1);
    // A lone id has nothing to predict.
    for (; end - begin > 1; begin += context_) {
      begins_.push_back(begin);
      lengths_.push_back(static_cast<int32_t>(std::min(end - begin, context_ + 1)));
    }
  }
}

void BestFitPacking::fill(int64_t row, const RowSlot& slot) const {
  std::vector<int64_t> ids(static_cast<size_t>(context_ + 1), 0);
  std::vector<int64_t> begins;
  int64_t used = 0;
  for (int64_t at = rows_.first[static_cast<size_t>(row)]; at < rows_.first[static_cast<size_t>(row) + 1];
       ++at) {
    auto piece = static_cast<size_t>(rows_.pieces[static_cast<size_t>(at)]);
    auto part = std::span(ids).subspan(static_cast<size_t>(used), static_cast<size_t>(lengths_[piece]));
    shard_.read(begins_[piece], part);
    shard_.check_vocabulary(begins_[piece], part, vocabulary_);
    begins.push_back(used);
    used += lengths_[piece];
  }
  if (used <= context_) begins.push_back(used);  // padding
  place_ids(slot, ids);
  std::fill(slot.loss_mask.begin() + std::min(used, context_), slot.loss_mask.end(), 0.0f);
  lay_out(slot, begins, boundaries_);
}

}  // namespace sextant::data
