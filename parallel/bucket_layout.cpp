#include "parallel/bucket_layout.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

int64_t up_to_multiple(int64_t count, int64_t of) {
  return (count + of - 1) / of * of;
}

}  // namespace

BucketLayout::BucketLayout(const std::vector<FlatTensor>& tensors, int64_t bucket_bytes, BucketEnd end)
    : places_(tensors.size()) {
  std::vector<size_t> open;  // buckets that may take more
  for (size_t i = tensors.size(); i-- > 0;) {
    const FlatTensor& tensor = tensors[i];
    std::erase_if(open, [&](size_t b) {
      if (end == BucketEnd::kUnit) return buckets_[b].unit != tensor.unit;
      return buckets_[b].elements * static_cast<int64_t>(c10::elementSize(buckets_[b].type)) >= bucket_bytes;
    });
    auto fitting = std::find_if(open.begin(), open.end(), [&](size_t b) {
      return buckets_[b].type == tensor.type && buckets_[b].device == tensor.device &&
             buckets_[b].set == tensor.set;
    });
    if (fitting == open.end()) {
      buckets_.push_back({0, tensor.type, tensor.device, tensor.set, tensor.ranks, tensor.unit, {}});
      fitting = open.insert(open.end(), buckets_.size() - 1);
    }
    Bucket& bucket = buckets_[*fitting];
    expect(bucket.ranks == tensor.ranks, "a set has one number of ranks");
    int64_t elements = 1;
    for (int64_t extent : tensor.shape) elements *= extent;
    places_[i] = {*fitting, bucket.elements, elements, tensor.shape};
    bucket.elements += up_to_multiple(elements, kAlignment);
    bucket.tensors.push_back(i);
  }
  for (Bucket& bucket : buckets_) {
    bucket.elements = up_to_multiple(bucket.elements, bucket.ranks * kAlignment);
  }
}

Range BucketLayout::range_of(size_t tensor) const {
  const Place& place = places_[tensor];
  return {place.offset, place.offset + place.elements};
}

at::Tensor BucketLayout::view(const at::Tensor& flat, size_t tensor) const {
  const Place& place = places_[tensor];
  return flat.narrow(0, place.offset, place.elements).view(place.shape);
}

Range BucketLayout::owned(size_t bucket, int64_t rank) const {
  int64_t each = buckets_[bucket].elements / buckets_[bucket].ranks;
  return {rank * each, (rank + 1) * each};
}

Range BucketLayout::part_of(size_t tensor, Range in_bucket) const {
  Range whole = range_of(tensor);
  int64_t begin = std::clamp(in_bucket.begin, whole.begin, whole.end);
  int64_t end = std::clamp(in_bucket.end, begin, whole.end);
  return {begin - whole.begin, end - whole.begin};
}

}  // namespace sextant::parallel
