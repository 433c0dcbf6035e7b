#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/data.pb.h"
#include "data/held_out.h"
#include "data/mixture.h"
#include "data/row_source.h"
#include "data/rows.h"

namespace sextant::data {

// Which rows of each step a caller sees: microbatches are dealt out in contiguous blocks. With M =
// global_batch / micro_batch microbatches, slice i of n holds microbatches [i M / n, (i + 1) M / n); row r of
// the step is sample step * global_batch + r whatever n is. micro_batch * n must divide global_batch.
struct LoaderShape {
  int64_t context = 0;       // T
  int64_t global_batch = 0;  // rows of a step, over all slices
  int64_t micro_batch = 0;   // rows that stay together
  int64_t slice = 0;         // i
  int64_t slices = 1;        // n
  uint64_t seed = 0;
  int64_t vocabulary = 0;  // ids must be below; a shard that holds others is refused, with file and position
};

// Something that rows are drawn from, and how often beside the others.
struct LoaderSource {
  std::string name;      // for messages
  double weight = 1;     // > 0, relative to the others
  std::string identity;  // what decides its rows, in words: goes into the fingerprint
  std::unique_ptr<RowSource> rows;
};

struct LoaderOrder {
  Boundaries boundaries = Boundaries::kReset;  // kReset where any source has them
  Order order = Order::kShuffled;              // of the sources among each other
  std::string identity;                        // what else decides the rows
  size_t columns = 0;                          // of the batches
};

// The corpora of a split, each in its own order.
std::vector<LoaderSource> corpus_sources(const DataSettings& settings, const LoaderShape& shape, Split split);

// The batches of a run, by step. batch(s) is a pure function of (settings, shape, s): resuming is asking for
// the next step. One more batch is prepared in the background. Knows no communicator and no tensors.
//
// Split::kValid reads data.valid, or what data.valid_fraction holds out of data.train, in the corpora's order
// and not shuffled, starting over at the end. Without either rows_per_epoch() is 0 and batch() must not be
// called.
class Loader {
 public:
  // Opens and checks every shard. Throws Error(kInput) naming file, position and remedy.
  Loader(const DataSettings& settings, const LoaderShape& shape, Split split);
  // Of any sources.
  Loader(std::vector<LoaderSource> sources, const LoaderShape& shape, const LoaderOrder& order);
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;
  ~Loader();

  // This slice's rows of step s: [global_batch / slices, T]. Prepares step s + 1 meanwhile. Throws what went
  // wrong in the background while the step was prepared. One thread at a time.
  Batch batch(int64_t step);

  // Rows in one epoch over all corpora of the split (the sum, before mixing).
  int64_t rows_per_epoch() const;
  // Tokens in the corpora of this split.
  int64_t tokens() const;
  // Differs when another corpus, order or packing would give other rows; stored in checkpoints. Independent
  // of where the shards lie, of the slices and of the batch's size.
  uint64_t fingerprint() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::data
