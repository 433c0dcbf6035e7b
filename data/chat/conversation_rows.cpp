#include "data/chat/conversation_rows.h"

#include <algorithm>

namespace sextant::data {

ConversationRows::ConversationRows(std::shared_ptr<const ConversationSet> set, DocumentRange conversations,
                                   int64_t context)
    : set_(std::move(set)), range_(conversations), context_(context) {
  std::vector<int32_t> lengths;
  for (int64_t i = range_.first; i < range_.last; ++i)
    lengths.push_back(static_cast<int32_t>(set_->ids(i).size()));
  rows_ = best_fit(lengths, context + 1);
}

void ConversationRows::fill(int64_t row, const RowSlot& slot) const {
  std::vector<int64_t> ids(static_cast<size_t>(context_ + 1), 0);
  std::vector<uint8_t> said(ids.size(), 0);
  std::vector<int64_t> begins;
  int64_t used = 0;
  auto last = rows_.first[static_cast<size_t>(row) + 1];
  for (int64_t at = rows_.first[static_cast<size_t>(row)]; at < last; ++at) {
    int64_t conversation = range_.first + rows_.pieces[static_cast<size_t>(at)];
    std::span<const int32_t> from = set_->ids(conversation);
    std::copy(from.begin(), from.end(), ids.begin() + used);
    std::copy(set_->said(conversation).begin(), set_->said(conversation).end(), said.begin() + used);
    begins.push_back(used);
    used += static_cast<int64_t>(from.size());
  }
  if (used <= context_) begins.push_back(used);  // padding
  place_ids(slot, ids);
  std::copy(said.begin() + 1, said.end(), slot.loss_mask.begin());
  lay_out(slot, begins, Boundaries::kReset);
}

}  // namespace sextant::data
