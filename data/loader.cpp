#include "data/loader.h"

#include <fmt/format.h>

#include <future>
#include <utility>
#include <vector>

#include "data/corpus.h"
#include "data/mixture.h"
#include "data/rows.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

void check_shape(const LoaderShape& shape) {
  auto positive = [](int64_t value, const char* name) {
    if (value < 1) fail_input(fmt::format("{} is {}; it must be at least 1", name, value));
  };
  positive(shape.context, "model.context");
  positive(shape.global_batch, "run.global_batch");
  positive(shape.micro_batch, "run.micro_batch");
  positive(shape.vocabulary, "model.vocabulary");
  expect(shape.slices > 0 && shape.slice >= 0 && shape.slice < shape.slices, "a slice is one of the slices");
  if (shape.global_batch % (shape.micro_batch * shape.slices) != 0) {
    fail_input(fmt::format(
        "run.global_batch {} can not be divided into microbatches of run.micro_batch {} for each of {} "
        "data-parallel ranks; make it a multiple of {}",
        shape.global_batch, shape.micro_batch, shape.slices, shape.micro_batch * shape.slices));
  }
}

using Sources = google::protobuf::RepeatedPtrField<ShardSource>;

// The shards of a split; nullptr when it has none.
const Sources* sources_of(const DataSettings& settings, Split split) {
  if (settings.train().empty() && (split == Split::kTrain || settings.valid().empty()))
    fail_input("data.train lists no shard; give the PREFIX that `sextant data build` wrote");
  if (!settings.valid().empty() && settings.valid_fraction() > 0) {
    fail_input(fmt::format(
        "data.valid lists shards and data.valid_fraction is {}; held-out text comes from one of them",
        settings.valid_fraction()));
  }
  if (split == Split::kTrain) return &settings.train();
  if (!settings.valid().empty()) return &settings.valid();
  return settings.valid_fraction() > 0 ? &settings.train() : nullptr;
}

CorpusSettings corpus_settings(const DataSettings& settings, const LoaderShape& shape, Split split) {
  CorpusSettings corpus;
  corpus.context = shape.context;
  corpus.vocabulary = shape.vocabulary;
  corpus.packing = settings.packing();
  corpus.boundaries = settings.reset_at_documents() ? Boundaries::kReset : Boundaries::kIgnore;
  corpus.order = settings.shuffle() && split == Split::kTrain ? Order::kShuffled : Order::kCorpus;
  corpus.valid_fraction = settings.valid_fraction();
  corpus.split = split;
  return corpus;
}

}  // namespace

struct Loader::Parts {
  LoaderShape shape;
  Boundaries boundaries;
  size_t columns = 0;
  std::vector<std::unique_ptr<RowSource>> sources;
  std::unique_ptr<Mixture> mixture;
  uint64_t fingerprint = 0;
  int64_t step_ahead = -1;
  std::future<Batch> ahead;  // last: it ends before what it reads from goes

  Batch build(int64_t step) const {
    int64_t rows = shape.global_batch / shape.slices;
    Batch batch = empty_batch(rows, shape.context, boundaries, columns);
    for (int64_t row = 0; row < rows; ++row) {
      Mixture::Place place = mixture->at(step * shape.global_batch + shape.slice * rows + row);
      sources[static_cast<size_t>(place.corpus)]->fill(place.index, slot_of(batch, row));
    }
    return batch;
  }
};

std::vector<LoaderSource> corpus_sources(const DataSettings& settings, const LoaderShape& shape,
                                         Split split) {
  CorpusSettings corpus = corpus_settings(settings, shape, split);
  std::vector<LoaderSource> found;
  const Sources* shards = sources_of(settings, split);
  if (shards == nullptr) return found;
  for (const ShardSource& source : *shards) {
    RandomKey key(shape.seed, fmt::format("order of rows, corpus {}", found.size()));
    auto rows = std::make_unique<Corpus>(source.prefix(), corpus, key);
    const TokenShard& shard = rows->shard();
    std::string identity = fmt::format(" corpus {:016x} {} {} weight {}", shard.index_checksum(),
                                       shard.tokens(), name_of(shard.type()), source.weight());
    found.push_back({source.prefix(), source.weight(), identity, std::move(rows)});
  }
  return found;
}

Loader::Loader(const DataSettings& settings, const LoaderShape& shape, Split split) {
  check_shape(shape);
  CorpusSettings corpus = corpus_settings(settings, shape, split);
  // What decides rows, in words, so that nothing else gets into the fingerprint.
  std::string identity =
      fmt::format("rows 1 context {} packing {} reset {} order {} fraction {} split {} seed {}",
                  shape.context, static_cast<int>(corpus.packing), static_cast<int>(corpus.boundaries),
                  static_cast<int>(corpus.order), corpus.valid_fraction, static_cast<int>(split), shape.seed);
  *this =
      Loader(corpus_sources(settings, shape, split), shape, {corpus.boundaries, corpus.order, identity, 0});
}

Loader::Loader(std::vector<LoaderSource> sources, const LoaderShape& shape, const LoaderOrder& order)
    : parts_(std::make_unique<Parts>()) {
  check_shape(shape);
  parts_->shape = shape;
  parts_->boundaries = order.boundaries;
  parts_->columns = order.columns;
  std::string identity = order.identity;
  std::vector<Mixture::Source> mixed;
  for (LoaderSource& source : sources) {
    mixed.push_back({source.name, source.weight});
    identity += source.identity;
    parts_->sources.push_back(std::move(source.rows));
  }
  if (!mixed.empty()) {
    parts_->mixture =
        std::make_unique<Mixture>(mixed, order.order, RandomKey(shape.seed, "order of corpora"));
  }
  parts_->fingerprint = stable_hash(identity);
}

Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;
Loader::~Loader() = default;

Batch Loader::batch(int64_t step) {
  expect(parts_->mixture != nullptr && step >= 0, "a split with rows is asked for a step from 0");
  bool prepared = parts_->ahead.valid() && parts_->step_ahead == step;
  // A step prepared in vain is waited for, and what went wrong in it does not matter.
  std::future<Batch> ahead = std::exchange(parts_->ahead, {});
  Batch batch = prepared ? ahead.get() : parts_->build(step);
  parts_->step_ahead = step + 1;
  parts_->ahead =
      std::async(std::launch::async, [parts = parts_.get(), step] { return parts->build(step + 1); });
  return batch;
}

int64_t Loader::rows_per_epoch() const {
  int64_t rows = 0;
  for (const auto& source : parts_->sources) rows += source->rows();
  return rows;
}

int64_t Loader::tokens() const {
  int64_t tokens = 0;
  for (const auto& source : parts_->sources) tokens += source->tokens();
  return tokens;
}

uint64_t Loader::fingerprint() const {
  return parts_->fingerprint;
}

}  // namespace sextant::data
