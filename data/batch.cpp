#include "data/batch.h"

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

template <class T>
std::vector<T> rows_of(const std::vector<T>& all, int64_t first, int64_t count, int64_t time) {
  if (all.empty()) return {};
  return std::vector<T>(all.begin() + first * time, all.begin() + (first + count) * time);
}

}  // namespace

Batch Batch::slice(int64_t first, int64_t count) const {
  expect(first >= 0 && count >= 0 && first + count <= rows, "a slice of a batch lies inside it");
  Batch part{count, time, {}, {}, {}, {}, {}, {}};
  part.tokens = rows_of(tokens, first, count, time);
  part.targets = rows_of(targets, first, count, time);
  part.loss_mask = rows_of(loss_mask, first, count, time);
  part.positions = rows_of(positions, first, count, time);
  part.documents = rows_of(documents, first, count, time);
  for (const auto& column : columns) part.columns.push_back(rows_of(column, first, count, time));
  return part;
}

}  // namespace sextant::data
