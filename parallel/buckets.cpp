#include "parallel/buckets.h"

#include <ATen/ATen.h>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

// Every gradient starts on a cache line, so vector instructions never straddle two of them.
constexpr int64_t kAlignment = 64;

int64_t aligned(int64_t elements, int64_t element_bytes) {
  int64_t step = kAlignment / element_bytes;
  return (elements + step - 1) / step * step;
}

}  // namespace

GradientBuckets::GradientBuckets(const std::vector<TrainedLeaf>& leaves, int64_t bucket_bytes)
    : gradients_(leaves.size()), places_(leaves.size()) {
  std::vector<int64_t> elements;  // of each bucket
  for (size_t i = leaves.size(); i-- > 0;) {
    const TrainedLeaf& leaf = leaves[i];
    expect(leaf.value.defined() && leaf.value.is_leaf() && leaf.value.requires_grad(),
           "a trained weight is a leaf that wants its gradient");
    auto bytes = static_cast<int64_t>(c10::elementSize(leaf.gradient_type));
    bool fits = false;
    if (!leaves_of_.empty()) {
      const TrainedLeaf& before = leaves[leaves_of_.back().back()];
      fits = before.gradient_type == leaf.gradient_type && before.value.device() == leaf.value.device() &&
             elements.back() * bytes < bucket_bytes;
    }
    if (!fits) {
      leaves_of_.emplace_back();
      elements.push_back(0);
    }
    places_[i] = {leaves_of_.size() - 1, elements.back(), leaf.value.sizes().vec(), leaf.value.numel()};
    elements.back() += aligned(leaf.value.numel(), bytes);
    leaves_of_.back().push_back(i);
  }
  for (size_t b = 0; b < leaves_of_.size(); ++b) {
    const TrainedLeaf& any = leaves[leaves_of_[b].front()];
    flat_.push_back(
        at::zeros({elements[b]}, any.value.options().dtype(any.gradient_type).requires_grad(false)));
    for (size_t i : leaves_of_[b]) gradients_[i] = place_in(flat_[b], i);
  }
}

at::Tensor GradientBuckets::place_in(const at::Tensor& other, size_t leaf) const {
  const Place& place = places_[leaf];
  return other.narrow(0, place.offset, place.elements).view(place.shape);
}

}  // namespace sextant::parallel
