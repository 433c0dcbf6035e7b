#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace sextant::parallel {

// A weight that is trained: a leaf of the autograd graph, and the type its gradient is summed in (that of the
// master weight: fp32 beside a bfloat16 value).
struct TrainedLeaf {
  at::Tensor value;
  at::ScalarType gradient_type = at::kFloat;
};

// Gradients in few flat buffers, so that one sum over ranks carries many of them. Leaves are given in the
// order in which forward uses them; backward makes their gradients ready in reverse, so bucket 0 holds the
// last leaves. A bucket is closed when it has reached `bucket_bytes`, or when type or device change; a leaf
// is never cut.
class GradientBuckets {
 public:
  GradientBuckets(const std::vector<TrainedLeaf>& leaves, int64_t bucket_bytes);

  size_t count() const { return flat_.size(); }
  // [elements]; what lies between gradients is zero and stays so.
  const at::Tensor& flat(size_t bucket) const { return flat_[bucket]; }
  const std::vector<size_t>& leaves_of(size_t bucket) const { return leaves_of_[bucket]; }

  size_t bucket_of(size_t leaf) const { return places_[leaf].bucket; }
  // A view of the bucket, of the leaf's shape.
  const at::Tensor& gradient(size_t leaf) const { return gradients_[leaf]; }
  // The same place in another buffer of the bucket's size.
  at::Tensor place_in(const at::Tensor& other, size_t leaf) const;

 private:
  struct Place {
    size_t bucket = 0;
    int64_t offset = 0;
    std::vector<int64_t> shape;
    int64_t elements = 0;
  };

  std::vector<at::Tensor> flat_, gradients_;
  std::vector<std::vector<size_t>> leaves_of_;
  std::vector<Place> places_;
};

}  // namespace sextant::parallel
