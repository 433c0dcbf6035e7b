#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"

namespace sextant::data {

// What happens where one document ends and the next begins inside a row.
enum class Boundaries {
  kIgnore,  // the row is one text; positions count through
  kReset,   // positions start anew, document numbers rise
};

// One row of a batch, to be filled. T = tokens.size().
struct RowSlot {
  std::span<int64_t> tokens;              // [T]
  std::span<int64_t> targets;             // [T]
  std::span<float> loss_mask;             // [T]
  std::span<int64_t> positions;           // [T]
  std::span<int32_t> documents;           // [T], empty when boundaries are ignored
  std::vector<std::span<float>> columns;  // each [T], zeros
};

// A batch of zeros; `documents` stays empty when boundaries are ignored.
Batch empty_batch(int64_t rows, int64_t time, Boundaries boundaries, size_t columns = 0);
RowSlot slot_of(Batch& batch, int64_t row);

// Rows of T + 1 ids made from documents: a packing.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual int64_t count() const = 0;
  // Fills every number of the slot. Throws Error(kInput) for damaged bytes or an id outside the vocabulary.
  // Any number of threads may call it at once.
  virtual void fill(int64_t row, const RowSlot& slot) const = 0;
};

// For a row whose pieces begin at these offsets (rising, the first 0, all in [0, T]): the target of each
// piece's last token is not counted; positions and documents follow the pieces or, when boundaries are
// ignored, the row.
void lay_out(const RowSlot& slot, std::span<const int64_t> begins, Boundaries boundaries);

// Splits T + 1 ids into tokens and targets, every target counting.
void place_ids(const RowSlot& slot, std::span<const int64_t> ids);

}  // namespace sextant::data
