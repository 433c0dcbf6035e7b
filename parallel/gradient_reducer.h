#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/bucket_layout.h"
#include "parallel/gradient_bucket.h"
#include "parallel/gradient_sink.h"
#include "parallel/holders.h"

namespace sextant::parallel {

// The gradients of the weights on this rank, each summed over the microbatches of a step and over the ranks
// that hold the same slice of it, while backward still runs.
//
//   GradientReducer reducer(values, layout, holders, rules);
//   reducer.begin_step(microbatches);
//   ... forwards and backwards of all microbatches, in any order ...
//   exposed_seconds = reducer.finish();
//   ... reducer.gradient(bucket) is the sum; divide by the global count ...
//
// The leaves' own grad fields are emptied as soon as backward has filled them: the sums live in the buckets,
// in the master's type. Gradients are sums, never means. In each set of ranks the buckets are summed in one
// order, each as soon as every gradient in it has come (see ArrivalSchedule); what comes after that is summed
// by itself in finish(): always the right sum, only later. Sets whose ranks hold different parts of the model
// (see Holders::alike) are summed in finish().
//
// One object per rank and set of leaves; the leaves must not have another post-accumulate hook. Layout and
// holders must outlive it.
class GradientReducer {
 public:
  // values[i] is the leaf of the autograd graph that the layout's tensor i is the gradient of.
  GradientReducer(std::vector<at::Tensor> values, const BucketLayout& layout, const Holders& holders,
                  SumRules rules = {});
  // Takes the hooks off.
  ~GradientReducer();
  GradientReducer(GradientReducer&&) noexcept;
  GradientReducer& operator=(GradientReducer&&) = delete;

  // Before a step's first forward: sums start from zero. `microbatches` of this rank; equal steps teach each
  // other when their gradients come. A step may be begun again instead of being finished, by all ranks of the
  // world alike and with no sum under way: after finish().
  void begin_step(int64_t microbatches);
  // After the last backward: starts what has not started, waits for all, and returns the seconds it took,
  // which backward did not hide. A leaf that no backward reached has gradient zero. All ranks must call.
  double finish();

  // Whole between finish() and begin_step(): the bucket's sum, [elements], or the range of it that this rank
  // owns, [elements / ranks], where is_whole() is false.
  const at::Tensor& gradient(size_t bucket) const;
  bool is_whole(size_t bucket) const;
  // The range of the bucket that gradient() is.
  Range range(size_t bucket) const;
  // For a backward that writes the leaf's gradient where it belongs; autograd then brings none, or brings a
  // further part of it. Lives as long as the reducer.
  GradientSink& sink(size_t leaf) const;

  // Reproducible sums: the quantum from the next begin_step() on; the largest magnitude that arrived on this
  // rank in the step, infinity where a number was not finite. The sums count only where that is below the
  // point's limit on every rank of the world. After finish(), the largest magnitude of the sums. Seconds
  // spent on integers so far.
  void set_point(FixedPoint point);
  double largest() const;
  double largest_sum() const;
  double integer_seconds() const;

  // Sums started in this step.
  int64_t started() const;

 private:
  struct Parts;
  class ArrivalHook;
  class LeafSink;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::parallel
