#include "data/mixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Whole slots by largest remainder; of equal remainders the earlier corpus wins.
std::vector<int64_t> largest_remainder(const std::vector<Mixture::Source>& sources, int64_t slots) {
  double sum = 0;
  for (const auto& source : sources) sum += source.weight;
  std::vector<int64_t> counts;
  std::vector<double> remainders;
  for (const auto& source : sources) {
    double quota = source.weight / sum * static_cast<double>(slots);
    counts.push_back(static_cast<int64_t>(std::floor(quota)));
    remainders.push_back(quota - std::floor(quota));
  }
  std::vector<size_t> order(sources.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainders[a] > remainders[b]; });
  int64_t left = slots - std::accumulate(counts.begin(), counts.end(), int64_t{0});
  for (int64_t i = 0; i < left; ++i) ++counts[order[static_cast<size_t>(i) % order.size()]];
  return counts;
}

}  // namespace

Mixture::Mixture(const std::vector<Source>& sources, Order order, const RandomKey& key)
    : order_(order), key_(key) {
  expect(!sources.empty(), "a mixture has a source");
  for (const Source& source : sources) {
    if (!(source.weight > 0) || !std::isfinite(source.weight)) {
      fail_input(
          fmt::format("{}: weight {} in the mixture; weights are above 0", source.name, source.weight));
    }
  }
  counts_ = largest_remainder(sources, kBlock);
  for (size_t c = 0; c < sources.size(); ++c) {
    if (counts_[c] > 0) continue;
    fail_input(fmt::format(
        "{}: weight {} is less than one row in {} of the mixture, and the corpus would never be seen; "
        "raise the weight or leave it out",
        sources[c].name, sources[c].weight, kBlock));
  }
  spread();
}

void Mixture::spread() {
  struct Slot {
    double place;
    int32_t corpus;
  };
  std::vector<Slot> slots;
  for (size_t c = 0; c < counts_.size(); ++c) {
    for (int64_t k = 0; k < counts_[c]; ++k) {
      slots.push_back(
          {(static_cast<double>(k) + 0.5) / static_cast<double>(counts_[c]), static_cast<int32_t>(c)});
    }
  }
  std::stable_sort(slots.begin(), slots.end(),
                   [](const Slot& a, const Slot& b) { return a.place < b.place; });
  for (const Slot& slot : slots) pattern_.push_back(slot.corpus);
}

void Mixture::lay_block(int64_t block) const {
  std::vector<int64_t> seen(counts_.size(), 0);
  Permutation shuffle(kBlock, key_, static_cast<uint64_t>(block));
  places_.resize(kBlock);
  for (int64_t slot = 0; slot < kBlock; ++slot) {
    int64_t from = order_ == Order::kShuffled ? shuffle(slot) : slot;
    int32_t corpus = pattern_[static_cast<size_t>(from)];
    places_[static_cast<size_t>(slot)] = {corpus, seen[static_cast<size_t>(corpus)]++};
  }
  block_ = block;
}

Mixture::Place Mixture::at(int64_t sample) const {
  if (counts_.size() == 1) return {0, sample};
  int64_t block = sample / kBlock;
  std::lock_guard lock(guard_);
  if (block != block_) lay_block(block);
  Place place = places_[static_cast<size_t>(sample % kBlock)];
  place.index += block * counts_[static_cast<size_t>(place.corpus)];
  return place;
}

}  // namespace sextant::data
