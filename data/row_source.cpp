#include "data/row_source.h"

#include "data/permutation.h"

namespace sextant::data {

int64_t row_at(int64_t index, int64_t rows, Order order, const RandomKey& key) {
  int64_t row = index % rows;
  if (order == Order::kCorpus) return row;
  return Permutation(rows, key, static_cast<uint64_t>(index / rows))(row);
}

}  // namespace sextant::data
