#pragma once

#include <cstdint>
#include <memory>

#include "data/mixture.h"
#include "data/rows.h"
#include "parallel/base/seed.h"

namespace sextant::data {

// An endless sequence of rows: epoch after epoch, each row once an epoch.
class RowSource {
 public:
  virtual ~RowSource() = default;
  // Rows in an epoch.
  virtual int64_t rows() const = 0;
  // Tokens in these.
  virtual int64_t tokens() const = 0;
  // index >= 0, counted over all epochs. A pure function of it. Any number of threads may call it at once.
  virtual void fill(int64_t index, const RowSlot& slot) const = 0;
};

// Which of `rows` rows comes at `index`, counted over all epochs: each epoch in another keyed order, or all
// in that of the corpus.
int64_t row_at(int64_t index, int64_t rows, Order order, const RandomKey& key);

// Packed rows as a source.
class EpochRows final : public RowSource {
 public:
  EpochRows(std::unique_ptr<Rows> rows, int64_t tokens, Order order, const RandomKey& key)
      : rows_(std::move(rows)), tokens_(tokens), order_(order), key_(key) {}

  int64_t rows() const override { return rows_->count(); }
  int64_t tokens() const override { return tokens_; }
  void fill(int64_t index, const RowSlot& slot) const override {
    rows_->fill(row_at(index, rows(), order_, key_), slot);
  }

 private:
  std::unique_ptr<Rows> rows_;
  int64_t tokens_;
  Order order_;
  RandomKey key_;
};

}  // namespace sextant::data
