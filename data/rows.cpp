#include "data/rows.h"

#include <algorithm>
#include <numeric>

namespace sextant::data {

Batch empty_batch(int64_t rows, int64_t time, Boundaries boundaries, size_t columns) {
  Batch batch{rows, time, {}, {}, {}, {}, {}, {}};
  auto cells = static_cast<size_t>(rows * time);
  batch.tokens.resize(cells);
  batch.targets.resize(cells);
  batch.loss_mask.resize(cells);
  batch.positions.resize(cells);
  if (boundaries == Boundaries::kReset) batch.documents.resize(cells);
  batch.columns.assign(columns, std::vector<float>(cells));
  return batch;
}

RowSlot slot_of(Batch& batch, int64_t row) {
  auto time = static_cast<size_t>(batch.time);
  auto part = [&](auto& all) { return std::span(all).subspan(static_cast<size_t>(row) * time, time); };
  RowSlot slot{part(batch.tokens), part(batch.targets), part(batch.loss_mask), part(batch.positions), {}, {}};
  if (!batch.documents.empty()) slot.documents = part(batch.documents);
  for (auto& column : batch.columns) slot.columns.push_back(part(column));
  return slot;
}

void place_ids(const RowSlot& slot, std::span<const int64_t> ids) {
  std::copy(ids.begin(), ids.end() - 1, slot.tokens.begin());
  std::copy(ids.begin() + 1, ids.end(), slot.targets.begin());
  std::fill(slot.loss_mask.begin(), slot.loss_mask.end(), 1.0f);
}

void lay_out(const RowSlot& slot, std::span<const int64_t> begins, Boundaries boundaries) {
  auto time = static_cast<int64_t>(slot.tokens.size());
  for (size_t piece = 1; piece < begins.size(); ++piece)
    slot.loss_mask[static_cast<size_t>(begins[piece] - 1)] = 0;
  if (boundaries == Boundaries::kIgnore) {
    std::iota(slot.positions.begin(), slot.positions.end(), int64_t{0});
    return;
  }
  for (size_t piece = 0; piece < begins.size(); ++piece) {
    int64_t begin = std::min(begins[piece], time);
    int64_t end = piece + 1 < begins.size() ? std::min(begins[piece + 1], time) : time;
    std::iota(slot.positions.begin() + begin, slot.positions.begin() + end, int64_t{0});
    std::fill(slot.documents.begin() + begin, slot.documents.begin() + end, static_cast<int32_t>(piece));
  }
}

}  // namespace sextant::data
