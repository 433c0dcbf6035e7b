#include "parallel/fixed_point.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

constexpr double kHighUnits = 65536.0;         // 2^16 in a whole one
constexpr double kLowUnits = 1099511627776.0;  // 2^40 in a high one
constexpr int kSquareBits = 50;                // of a square's fraction

}  // namespace

double FixedPoint::limit() const {
  return std::ldexp(1.0, exponent);
}

double FixedPoint::quantum() const {
  return std::ldexp(1.0, exponent - kBits);
}

FixedPoint FixedPoint::above(double largest, int room) {
  expect(std::isfinite(largest) && largest > 0, "a quantum follows from a number");
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent
  return {exponent + room};
}

double add_fixed(const at::Tensor& into, const at::Tensor& from, FixedPoint point, Onto onto) {
  at::NoGradGuard no_grad;
  at::Tensor integers = at::round(from.to(at::kDouble).mul(1 / point.quantum())).to(at::kLong);
  onto == Onto::kAdd ? into.add_(integers) : into.copy_(integers);
  return largest_magnitude(from);
}

double from_fixed(const at::Tensor& into, const at::Tensor& from, FixedPoint point) {
  at::NoGradGuard no_grad;
  into.copy_(from.to(at::kDouble).mul_(point.quantum()));
  return largest_magnitude(into);
}

double largest_magnitude(const at::Tensor& numbers) {
  at::NoGradGuard no_grad;
  if (numbers.numel() == 0) return 0;
  auto largest = numbers.abs().max().to(at::kDouble).item<double>();  // a NaN wins
  return std::isfinite(largest) ? largest : std::numeric_limits<double>::infinity();
}

FixedSum FixedSum::of(double number) {
  expect(std::abs(number) < kLowUnits, "a fixed sum stays below 2^40");
  double scaled = number * kHighUnits, whole = std::floor(scaled);
  return {static_cast<int64_t>(whole), static_cast<int64_t>((scaled - whole) * kLowUnits)};
}

double FixedSum::value() const {
  // The low part's whole units go to the high one first, so that equal sums are equal numbers.
  int64_t carried = low >> 40;
  double rest = static_cast<double>(low - (carried << 40)) / kLowUnits;
  return (static_cast<double>(high + carried) + rest) / kHighUnits;
}

std::vector<FixedSum> reduce_sums(Group& group, std::vector<FixedSum> sums) {
  if (sums.empty()) return sums;
  auto count = static_cast<int64_t>(sums.size());
  at::Tensor numbers = at::empty({count, 2}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    numbers[i][0] = sums[static_cast<size_t>(i)].high;
    numbers[i][1] = sums[static_cast<size_t>(i)].low;
  }
  group.all_reduce(numbers);
  for (int64_t i = 0; i < count; ++i) {
    sums[static_cast<size_t>(i)] = {numbers[i][0].item<int64_t>(), numbers[i][1].item<int64_t>()};
  }
  return sums;
}

FixedSum sum_of_squares(const at::Tensor& numbers, int exponent) {
  at::NoGradGuard no_grad;
  at::Tensor squares = at::square(numbers.to(at::kDouble).mul(std::ldexp(1.0, -exponent)));
  at::Tensor integers = at::round(squares.mul_(std::ldexp(1.0, kSquareBits))).to(at::kLong);
  // 2^16 in a whole one against the square's 2^50: the low 34 bits are the low part's, 2^56 in a whole one.
  auto high = at::sum(integers.bitwise_right_shift(34)).item<int64_t>();
  auto low = at::sum(integers.bitwise_and((int64_t{1} << 34) - 1)).item<int64_t>();
  return {high, low << 6};
}

}  // namespace sextant::parallel
