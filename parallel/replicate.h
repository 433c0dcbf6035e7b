#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/buckets.h"
#include "parallel/gradient_sink.h"
#include "parallel/group.h"

namespace sextant::parallel {

// Which of a step's microbatches a backward belongs to.
enum class Microbatch { kEarlier, kLast };

// Data parallelism: the gradients of all ranks that hold the same weights, summed while backward still runs.
//
//   GradientReducer reducer(leaves, bucket_bytes, mesh.replicas());
//   for (m = 0; m < microbatches; ++m) {
//     reducer.begin(m + 1 < microbatches ? Microbatch::kEarlier : Microbatch::kLast);
//     ... forward, backward ...
//   }
//   exposed_seconds = reducer.finish();
//   ... reducer.gradient(i) is now the sum over microbatches and ranks; divide by the global count ...
//
// The leaves' own grad fields are emptied as soon as backward has filled them: the sums live in the buckets,
// in the master's type. Gradients are sums, never means. Buckets start in a fixed order on every rank, each
// as soon as every gradient in it has come. How often a gradient comes in one microbatch (more than once
// where activations are recomputed by a backward within the backward) is learnt from the microbatches before;
// until it is known, buckets wait for finish(). Should a gradient come once more after its bucket has
// started, it is summed by itself in finish(): always the right sum, only later.
//
// One object per rank and set of leaves; the leaves must not have another post-accumulate hook.
class GradientReducer {
 public:
  // All ranks of `replicas` must call, with equal leaves. The group is used once, to make one of the
  // reducer's own: sums under backward never mix with what else is said there.
  GradientReducer(std::vector<TrainedLeaf> leaves, int64_t bucket_bytes, Group& replicas);
  // Takes the hooks off.
  ~GradientReducer();
  GradientReducer(GradientReducer&&) noexcept;
  GradientReducer& operator=(GradientReducer&&) = delete;

  // Before each microbatch's forward. The first one after finish() opens a new step: sums start from zero.
  void begin(Microbatch which);
  // After the last backward: starts what has not started, waits for all, and returns the seconds it took,
  // which backward did not hide. A leaf that no backward reached has gradient zero. All ranks must call.
  double finish();

  // [leaf's shape], the gradient type: a view of a bucket. Whole between finish() and the next begin().
  const at::Tensor& gradient(size_t leaf) const;
  // For a backward that writes the leaf's gradient where it belongs; autograd then brings none, or brings a
  // further part of it. Lives as long as the reducer.
  GradientSink& sink(size_t leaf) const;
  const GradientBuckets& buckets() const;
  // Buckets whose sum has started in this step.
  size_t started() const;

 private:
  struct Parts;
  class ArrivalHook;
  class LeafSink;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::parallel
