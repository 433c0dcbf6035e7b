#include "trainer/gradient_norm.h"

#include <ATen/ATen.h>

#include <cmath>

#include "trainer/kernels/fixed_point.h"
#include "trainer/optimizer/clip.h"

namespace sextant::trainer {
namespace {

// This rank's range of each bucket, by bucket. Ranges that several own are cut once more, so that each number
// is counted by one rank of its holders.
std::vector<at::Tensor> own_ranges(const parallel::GradientReducer& gradients,
                                   const parallel::BucketLayout& layout, const parallel::Holders& holders) {
  std::vector<at::Tensor> ranges;
  for (size_t b = 0; b < layout.count(); ++b) {
    const at::Tensor& sums = gradients.gradient(b);
    size_t set = layout.set_of(b);
    parallel::Range own = layout.owned(b, holders.shard_group(set).rank().value());
    at::Tensor range = gradients.is_whole(b) ? sums.narrow(0, own.begin, own.elements()) : sums;
    const parallel::Group& same = holders.replica_group(set);
    auto cut = [&](int64_t place) { return own.elements() * place / same.size(); };
    int64_t begin = cut(same.rank().value());
    ranges.push_back(range.narrow(0, begin, cut(same.rank().value() + 1) - begin));
  }
  return ranges;
}

// `largest` magnitude on this rank.
double reproducible_norm(const std::vector<at::Tensor>& ranges, double largest, parallel::Group& world) {
  largest = parallel::reduce_numbers(world, {largest}, parallel::Reduce::kMax)[0];
  if (largest == 0 || !std::isfinite(largest)) return largest;
  int exponent = parallel::FixedPoint::above(largest, 0).exponent;
  parallel::FixedSum squares;
  for (const at::Tensor& range : ranges) squares += sum_of_squares(range, exponent);
  squares = parallel::reduce_sums(world, {squares})[0];
  return std::ldexp(std::sqrt(squares.value()), exponent);
}

}  // namespace

double gradient_norm(const parallel::GradientReducer& gradients, const parallel::BucketLayout& layout,
                     const parallel::Holders& holders, parallel::Group& world,
                     parallel::Reduction reduction) {
  std::vector<at::Tensor> ranges = own_ranges(gradients, layout, holders);
  if (reduction == parallel::Reduction::kReproducible)
    return reproducible_norm(ranges, gradients.largest_sum(), world);
  double norm = global_norm(ranges);
  return std::sqrt(parallel::reduce_numbers(world, {norm * norm})[0]);
}

}  // namespace sextant::trainer
