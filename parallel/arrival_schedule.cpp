#include "parallel/arrival_schedule.h"

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::parallel {

ArrivalSchedule::ArrivalSchedule(std::vector<Bucket> buckets, std::vector<int64_t> arrivals)
    : buckets_(std::move(buckets)),
      bucket_of_(arrivals.size()),
      told_(std::move(arrivals)),
      sums_(buckets_.size()),
      missing_(buckets_.size()) {
  for (size_t b = 0; b < buckets_.size(); ++b) {
    const Bucket& bucket = buckets_[b];
    if (bucket.set >= turns_.size()) turns_.resize(bucket.set + 1);
    turns_[bucket.set].buckets.push_back(b);
    for (size_t leaf : bucket.leaves) bucket_of_[leaf] = b;
  }
}

void ArrivalSchedule::begin_step(int64_t microbatches) {
  microbatches_ = microbatches;
  arrivals_.assign(bucket_of_.size(), 0);
  auto known = seen_.find(microbatches);
  usual_ = known != seen_.end() ? known->second : told_;
  if (known == seen_.end()) {
    for (int64_t& arrivals : usual_) arrivals *= microbatches;
  }
  std::fill(sums_.begin(), sums_.end(), 0);
  for (Turns& turns : turns_) {
    if (turns.buckets.empty()) continue;
    Sums sums = buckets_[turns.buckets[0]].sums;
    turns.each = sums == Sums::kEachMicrobatch ? microbatches : 1;
    turns.waits = sums == Sums::kOnceAtTheEnd;
    turns.done = 0;
  }
  for (size_t b = 0; b < buckets_.size(); ++b) count_missing(b);
}

int64_t ArrivalSchedule::needed(size_t leaf, size_t bucket) const {
  int64_t each = turns_[buckets_[bucket].set].each;
  return (usual_[leaf] * (sums_[bucket] + 1) + each - 1) / each;
}

void ArrivalSchedule::count_missing(size_t bucket) {
  const auto& leaves = buckets_[bucket].leaves;
  missing_[bucket] = std::count_if(leaves.begin(), leaves.end(),
                                   [&](size_t leaf) { return arrivals_[leaf] < needed(leaf, bucket); });
}

void ArrivalSchedule::arrived(size_t leaf) {
  size_t bucket = bucket_of_[leaf];
  if (++arrivals_[leaf] == needed(leaf, bucket)) --missing_[bucket];
}

size_t ArrivalSchedule::take_turn(Turns& turns) {
  size_t bucket = turns.bucket();
  ++turns.done;
  ++sums_[bucket];
  count_missing(bucket);
  return bucket;
}

std::optional<size_t> ArrivalSchedule::next() {
  for (Turns& turns : turns_) {
    if (turns.waits || turns.done == turns.total()) continue;
    if (missing_[turns.bucket()] == 0) return take_turn(turns);
  }
  return std::nullopt;
}

std::optional<size_t> ArrivalSchedule::rest() {
  for (Turns& turns : turns_) {
    if (turns.done < turns.total()) return take_turn(turns);
  }
  return std::nullopt;
}

void ArrivalSchedule::end_step() {
  seen_[microbatches_] = arrivals_;
}

}  // namespace sextant::parallel
