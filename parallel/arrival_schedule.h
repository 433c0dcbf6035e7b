#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sextant::parallel {

// When, in a step, each set of ranks may sum its buckets, by counting the gradients that have come. No
// memory, no communication. It does not matter how a step interleaves forwards and backwards of microbatches.
//
// How often a leaf's gradient comes in a microbatch (twice where a weight is used twice) is told at first,
// and learnt from the last step of as many microbatches: what is told right is summed alike in every step.
class ArrivalSchedule {
 public:
  // How often a bucket is summed in a step.
  enum class Sums {
    kOnce,            // when all has come
    kEachMicrobatch,  // when a microbatch's worth has come
    kOnceAtTheEnd,    // by rest() only
  };
  struct Bucket {
    std::vector<size_t> leaves;
    size_t set = 0;  // buckets of one set are summed in their own order
    Sums sums = Sums::kOnce;
  };
  // arrivals: of each leaf, in a microbatch.
  ArrivalSchedule(std::vector<Bucket> buckets, std::vector<int64_t> arrivals);

  void begin_step(int64_t microbatches);
  void arrived(size_t leaf);
  // The next bucket whose turn has come in its set, if any: its sum must be started now.
  std::optional<size_t> next();
  // At the end of a step: the next bucket whose sum has not been started, sets in ascending order.
  std::optional<size_t> rest();
  // Learns from the step.
  void end_step();

 private:
  struct Turns {                  // of one set
    std::vector<size_t> buckets;  // in order
    int64_t each = 1;             // sums of each bucket in this step
    int64_t done = 0;             // all buckets' first sums come before their second ones
    bool waits = false;           // for rest()
    int64_t total() const { return each * static_cast<int64_t>(buckets.size()); }
    size_t bucket() const { return buckets[static_cast<size_t>(done) % buckets.size()]; }
  };

  // Arrivals after which a bucket may be summed for the (sums + 1)th time.
  int64_t needed(size_t leaf, size_t bucket) const;
  void count_missing(size_t bucket);
  size_t take_turn(Turns& turns);

  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_;                 // by leaf
  std::vector<Turns> turns_;                      // by set
  std::vector<int64_t> arrivals_;                 // by leaf, in this step
  std::vector<int64_t> told_;                     // by leaf, in a microbatch
  std::vector<int64_t> usual_;                    // by leaf, in this step
  std::vector<int64_t> sums_;                     // by bucket, in this step
  std::vector<int64_t> missing_;                  // by bucket: leaves that hold back the next sum
  std::map<int64_t, std::vector<int64_t>> seen_;  // by microbatches in a step: arrivals by leaf
  int64_t microbatches_ = 0;
};

}  // namespace sextant::parallel
