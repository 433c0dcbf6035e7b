#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "data/permutation.h"
#include "parallel/base/seed.h"

namespace sextant::data {

enum class Order { kShuffled, kCorpus };

// Weights -> one deterministic order of samples over several corpora. Samples come in blocks of 10,000; in
// each block every corpus has its share of slots (largest remainder), evenly spread and then, when shuffled,
// permuted by a key of the block. Corpus c's k-th sample in this order is its row k, so that a corpus smaller
// than its share goes on to its next epoch and none is ever skipped.
class Mixture {
 public:
  static constexpr int64_t kBlock = 10000;

  struct Source {
    std::string name;  // for messages
    double weight;     // > 0, relative to the others
  };
  struct Place {
    int64_t corpus;
    int64_t index;  // counted over all epochs of the corpus
    bool operator==(const Place&) const = default;
  };

  // Throws Error(kInput) naming a source whose share is less than one slot of a block.
  Mixture(const std::vector<Source>& sources, Order order, const RandomKey& key);

  // Where sample `sample` comes from: a pure function. Any number of threads may call it at once.
  Place at(int64_t sample) const;
  // Slots of each corpus in a block.
  const std::vector<int64_t>& counts() const { return counts_; }

 private:
  Order order_;
  RandomKey key_;
  std::vector<int64_t> counts_;
  std::vector<int32_t> pattern_;  // [kBlock] the corpus of each slot before shuffling

  // The block looked at last; a memory of at()'s own result, so that a step costs one block and not one a
  // row.
  mutable std::mutex guard_;
  mutable int64_t block_ = -1;
  mutable std::vector<Place> places_;  // [kBlock] index inside the block

  void spread();
  void lay_block(int64_t block) const;
};

}  // namespace sextant::data
