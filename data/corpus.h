#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "data/data.pb.h"
#include "data/held_out.h"
#include "data/mixture.h"
#include "data/row_source.h"
#include "data/rows.h"
#include "data/token_shard.h"
#include "parallel/base/seed.h"

namespace sextant::data {

// How a corpus becomes rows.
struct CorpusSettings {
  int64_t context = 0;
  int64_t vocabulary = 0;
  DataSettings::Packing packing = DataSettings::stream;
  Boundaries boundaries = Boundaries::kIgnore;
  Order order = Order::kShuffled;
  // Held-out share and the side of it that is wanted; 0 takes every document.
  double valid_fraction = 0;
  Split split = Split::kTrain;
};

// One shard as a source of rows: row `index` is a pure function of the shard, the settings and the key.
class Corpus final : public RowSource {
 public:
  // Throws Error(kInput) for a damaged shard, an id outside the vocabulary, or too few tokens for a single
  // row.
  Corpus(const std::filesystem::path& prefix, const CorpusSettings& settings, const RandomKey& key);

  int64_t rows() const override { return rows_->count(); }
  int64_t tokens() const override;
  const TokenShard& shard() const { return shard_; }
  void fill(int64_t index, const RowSlot& slot) const override;

 private:
  TokenShard shard_;
  CorpusSettings settings_;
  RandomKey key_;
  DocumentRange documents_;
  std::unique_ptr<Rows> rows_;

  void check_vocabulary() const;
  [[noreturn]] void fail_too_small() const;
};

}  // namespace sextant::data
