#pragma once

#include <filesystem>
#include <memory>

#include "data/batch.h"
#include "data/data.pb.h"
#include "data/held_out.h"

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
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

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
