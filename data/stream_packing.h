#pragma once

#include "data/held_out.h"
#include "data/rows.h"

namespace sextant::data {

// The documents as one stream: row i is ids [i T, i T + T + 1), so that each id is a target once. The last,
// shorter window is dropped. The target behind a document's last token counts (the model learns to begin a
// document), unless boundaries reset.
class StreamPacking final : public Rows {
 public:
  // Borrows the shard. Ids must be below `vocabulary`.
  StreamPacking(const TokenShard& shard, DocumentRange documents, int64_t context, int64_t vocabulary,
                Boundaries boundaries);

  int64_t count() const override;
  void fill(int64_t row, const RowSlot& slot) const override;

 private:
  const TokenShard& shard_;
  int64_t begin_, end_;  // positions of the shard's stream
  int64_t context_, vocabulary_;
  Boundaries boundaries_;

  // Offsets inside the window at `begin` where documents begin, with 0 in front.
  std::vector<int64_t> document_begins(int64_t begin) const;
};

}  // namespace sextant::data
