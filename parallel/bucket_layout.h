#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace sextant::parallel {

// A tensor that is to lie in a bucket.
struct FlatTensor {
  std::vector<int64_t> shape;        // of the slice that is here
  at::ScalarType type = at::kFloat;  // only tensors of one type share a bucket
  at::Device device = at::Device(at::kCPU);
  size_t set = 0;     // of its holders (see Holders); only tensors of one set share a bucket
  int64_t ranks = 1;  // of the set that share it out
  int64_t unit = 0;   // what is gathered and let go together, such as a block
};

// When a bucket takes no more tensors.
enum class BucketEnd {
  kFull,  // once it has reached bucket_bytes
  kUnit,  // when the unit changes, and only then: a unit is one bucket (for each set and type)
};

// Elements [begin, end).
struct Range {
  int64_t begin = 0, end = 0;
  int64_t elements() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// Where tensors lie in few flat buckets, so that one message carries many of them. The arithmetic alone: it
// serves gradients, weights and the optimizer's state alike, each in memory of its own type.
//
// Tensors are given in the order in which forward uses them; backward makes their gradients ready in reverse,
// so bucket 0 holds the last ones. The buckets of a set depend on the tensors of that set alone: ranks that
// hold other tensors besides have the same ones, in the same order. A tensor is never cut between buckets; it
// starts at a multiple of kAlignment elements. A bucket's length is a multiple of its ranks x kAlignment, so
// that it can be cut into an equal range for each rank of the set.
class BucketLayout {
 public:
  static constexpr int64_t kAlignment = 32;  // elements: a cache line of the narrowest type

  BucketLayout(const std::vector<FlatTensor>& tensors, int64_t bucket_bytes,
               BucketEnd end = BucketEnd::kFull);

  size_t count() const { return buckets_.size(); }
  // [elements(b)] holds bucket b.
  int64_t elements(size_t bucket) const { return buckets_[bucket].elements; }
  at::ScalarType type(size_t bucket) const { return buckets_[bucket].type; }
  at::Device device(size_t bucket) const { return buckets_[bucket].device; }
  size_t set_of(size_t bucket) const { return buckets_[bucket].set; }
  int64_t ranks(size_t bucket) const { return buckets_[bucket].ranks; }
  int64_t unit_of(size_t bucket) const { return buckets_[bucket].unit; }  // of its first tensor
  const std::vector<size_t>& tensors_of(size_t bucket) const { return buckets_[bucket].tensors; }

  size_t tensors() const { return places_.size(); }
  size_t bucket_of(size_t tensor) const { return places_[tensor].bucket; }
  // Where the tensor lies in its bucket.
  Range range_of(size_t tensor) const;
  // The tensor's place in a buffer [elements] of its bucket, of the tensor's shape.
  at::Tensor view(const at::Tensor& flat, size_t tensor) const;

  // The range of a bucket that one rank of its set owns: [E rank / ranks, E (rank + 1) / ranks).
  Range owned(size_t bucket, int64_t rank) const;
  // What of a tensor lies in a range of its bucket, as elements of the tensor; empty where nothing does.
  Range part_of(size_t tensor, Range in_bucket) const;

 private:
  struct Bucket {
    int64_t elements = 0;
    at::ScalarType type;
    at::Device device;
    size_t set;
    int64_t ranks, unit;
    std::vector<size_t> tensors;
  };
  struct Place {
    size_t bucket = 0;
    int64_t offset = 0, elements = 0;
    std::vector<int64_t> shape;
  };
  std::vector<Bucket> buckets_;
  std::vector<Place> places_;
};

}  // namespace sextant::parallel
