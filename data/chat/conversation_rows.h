#pragma once

#include <memory>
#include <vector>

#include "data/best_fit.h"
#include "data/chat/conversation_set.h"
#include "data/held_out.h"
#include "data/rows.h"

namespace sextant::data {

// Conversations placed whole in rows of T + 1 ids, by best_fit(), each a document of its own: boundaries
// reset. A place counts where its target is something that the assistant says. What is left of a row is
// padding (id 0) that does not count.
class ConversationRows final : public Rows {
 public:
  // None may be longer than `context` + 1.
  ConversationRows(std::shared_ptr<const ConversationSet> set, DocumentRange conversations, int64_t context);

  int64_t count() const override { return static_cast<int64_t>(rows_.first.size()) - 1; }
  void fill(int64_t row, const RowSlot& slot) const override;

 private:
  std::shared_ptr<const ConversationSet> set_;
  DocumentRange range_;
  int64_t context_;
  PackedRows rows_;
};

}  // namespace sextant::data
