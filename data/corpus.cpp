#include "data/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "data/best_fit_packing.h"
#include "data/stream_packing.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Ids of a shard without sums that are looked at before a run begins; the rest as they come.
constexpr int64_t kScannedIds = int64_t{1} << 24;

DocumentRange documents_of(const TokenShard& shard, const CorpusSettings& settings) {
  if (shard.tokens() == 0) {
    fail_input(fmt::format("{}: holds no tokens; build it from files with text", shard.prefix().string()));
  }
  return settings.valid_fraction > 0 ? split_documents(shard, settings.valid_fraction, settings.split)
                                     : all_documents(shard);
}

}  // namespace

Corpus::Corpus(const std::filesystem::path& prefix, const CorpusSettings& settings, const RandomKey& key)
    : shard_(prefix), settings_(settings), key_(key), documents_(documents_of(shard_, settings)) {
  check_vocabulary();
  if (settings.packing == DataSettings::best_fit) {
    rows_ = std::make_unique<BestFitPacking>(shard_, documents_, settings.context, settings.vocabulary,
                                             settings.boundaries);
  } else {
    rows_ = std::make_unique<StreamPacking>(shard_, documents_, settings.context, settings.vocabulary,
                                            settings.boundaries);
  }
  if (rows_->count() == 0) fail_too_small();
}

int64_t Corpus::tokens() const {
  return shard_.document_begin(documents_.last) - shard_.document_begin(documents_.first);
}

void Corpus::fill(int64_t index, const RowSlot& slot) const {
  rows_->fill(row_at(index, rows(), settings_.order, key_), slot);
}

void Corpus::check_vocabulary() const {
  std::optional<int64_t> highest = shard_.highest_id();
  if (highest && *highest < settings_.vocabulary) return;
  // Either the place of a wrong id is looked for, or nothing is known about the ids.
  int64_t scanned = highest ? shard_.tokens() : std::min(shard_.tokens(), kScannedIds);
  std::vector<int64_t> ids(size_t{1} << 16);
  for (int64_t begin = 0; begin < scanned; begin += static_cast<int64_t>(ids.size())) {
    ids.resize(std::min(ids.size(), static_cast<size_t>(scanned - begin)));
    shard_.read(begin, ids);
    shard_.check_vocabulary(begin, ids, settings_.vocabulary);
  }
}

void Corpus::fail_too_small() const {
  fail_input(
      fmt::format("{}: {} documents with {} tokens{} do not make a single row of {} + 1; take a shorter "
                  "model.context{} or more text",
                  shard_.prefix().string(), documents_.last - documents_.first, tokens(),
                  settings_.valid_fraction > 0 ? " on this side of data.valid_fraction" : "",
                  settings_.context, settings_.valid_fraction > 0 ? ", another data.valid_fraction" : ""));
}

}  // namespace sextant::data
