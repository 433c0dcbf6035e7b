#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "parallel/bucket_layout.h"
#include "parallel/fixed_point.h"
#include "parallel/gradient_sink.h"
#include "parallel/holders.h"

namespace sextant::parallel {

// What each rank of a set keeps of the gradients' sums.
enum class GradientMemory {
  kWhole,            // all of them, everywhere: summed once a step (ZeRO 0)
  kOwnedAfterwards,  // what it owns; until the last microbatch it adds up its own of everything (ZeRO 1)
  kOwned,            // what it owns: a microbatch's gradients are summed and let go (ZeRO 2 and 3)
};

// How numbers are added up.
enum class Reduction {
  kFast,          // in the gradient's type
  kReproducible,  // as integers of one quantum (parallel/fixed_point)
};

// What all buckets of a reducer have in common; changes between steps only.
struct SumRules {
  GradientMemory memory = GradientMemory::kWhole;
  Reduction reduction = Reduction::kFast;
  FixedPoint point;       // of reproducible sums
  FixedPointLoops loops;  // that make them
  // By leaf: how often its gradient comes in a microbatch, as far as that is known; 1 where it is left out.
  std::vector<int64_t> arrivals = {};
};

// One bucket of gradients on one rank: takes what arrives, and sums it over the ranks that hold these
// weights. It can be summed several times in a step: what has arrived since the last start is added to the
// sum.
//
// Whole sums have memory from the first arrival of a step until the next step begins. Backward lets a block's
// activations go as it fills the block's gradients, so that one stands where the other stood.
class GradientBucket {
 public:
  // A sum over ranks under way. It lands by complete(), in the order in which a bucket's sums were started.
  struct Flight {
    std::unique_ptr<Work> work;
    at::Tensor input;   // stays alive until it has landed
    at::Tensor addend;  // to be added to the sum; undefined: the sum itself was written
  };

  // The holders must outlive it.
  GradientBucket(const BucketLayout& layout, size_t bucket, const Holders& holders, const SumRules& rules);

  void begin_step();
  // One arrival of a leaf's gradient; write puts it where it is told. Reproducible sums write it to `scratch`
  // first, [bytes] with room for the leaf.
  void take(size_t leaf, const at::Tensor& scratch,
            const std::function<void(const at::Tensor& into, Onto onto)>& write);
  // Whether something has arrived since the last start.
  bool pending() const { return buffer_.defined(); }
  // Starts a sum of what has arrived, zeros where nothing has. All ranks of the set must call.
  Flight start();
  void complete(Flight& flight);
  // After the step's last sum has landed: adds up what other parts of the world have of it (see Holders);
  // null where there are none. All ranks of the set must call.
  std::unique_ptr<Work> join_parts();
  // After that has landed, too.
  void finish_step();

  // The sum over ranks between finish_step() and begin_step(), in the gradient's type: of the whole bucket
  // [elements], or of what this rank owns [elements / ranks].
  const at::Tensor& gradient() const { return gradient_; }
  bool is_whole() const { return whole_; }
  // Of reproducible sums: the largest magnitude that arrived in this step, infinity where a number was not
  // finite; and the seconds that integers have taken so far.
  double largest() const { return largest_; }
  // After finish_step(): the largest magnitude of the sum.
  double largest_sum() const { return largest_sum_; }
  double integer_seconds() const { return integer_seconds_; }

 private:
  void open_buffer();
  void zero_gaps();
  void zero_the_rest();
  bool reproducible() const { return rules_.reduction == Reduction::kReproducible; }

  const BucketLayout& layout_;
  size_t bucket_;
  Group& group_;    // all that hold these weights
  Group& shard_;    // those that share them out
  Group& replica_;  // those that own the same range
  const SumRules& rules_;
  bool whole_;                // the sum is of the whole bucket
  at::TensorOptions type_;    // that numbers are added up in
  at::Tensor buffer_;         // [elements] what has arrived since the last start; undefined: nothing
  std::vector<char> filled_;  // by tensor of the bucket: stands in the buffer
  at::Tensor sum_;            // [elements / ranks]; a whole one is the first buffer itself
  at::Tensor gradient_;       // sum_ where that is no integer
  int64_t started_ = 0;       // sums in this step
  double largest_ = 0, largest_sum_ = 0, integer_seconds_ = 0;
};

}  // namespace sextant::parallel
