#pragma once

#include <vector>

#include "data/best_fit.h"
#include "data/held_out.h"
#include "data/rows.h"

namespace sextant::data {

// Documents placed whole in rows of T + 1 ids, by best_fit(). A document longer than a row is first cut into
// chunks of T + 1 ids, each beginning with the last id of the one before, so that each of its ids is a target
// once. The last token of a piece has no counted target; what is left of a row is padding (id 0) that does
// not count and, when boundaries reset, is a document of its own. Takes 20 bytes of memory a piece.
class BestFitPacking final : public Rows {
 public:
  // Borrows the shard. Ids must be below `vocabulary`.
  BestFitPacking(const TokenShard& shard, DocumentRange documents, int64_t context, int64_t vocabulary,
                 Boundaries boundaries);

  int64_t count() const override { return static_cast<int64_t>(rows_.first.size()) - 1; }
  void fill(int64_t row, const RowSlot& slot) const override;

 private:
  const TokenShard& shard_;
  int64_t context_, vocabulary_;
  Boundaries boundaries_;
  std::vector<int64_t> begins_;   // a piece's place in the shard's stream
  std::vector<int32_t> lengths_;  // a piece's ids
  PackedRows rows_;

  void cut_into_pieces(DocumentRange documents);
};

}  // namespace sextant::data
