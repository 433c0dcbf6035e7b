#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/gradient_sink.h"
#include "parallel/group.h"

// Sums whose order can not matter. A number becomes an integer, a multiple of a power of two that is the same
// for all that are added; integers add up to the same in any order and any grouping. What is lost is what
// lies below the quantum, once for each number.
//
// The functions here go through ATen on any device; trainer/kernels/fixed_point has faster ones for CPUs that
// give the same bits.
namespace sextant::parallel {

// Which numbers can be turned into integers: those below 2^exponent, by a quantum of 2^(exponent - kBits).
struct FixedPoint {
  static constexpr int kBits = 48;  // 2^15 numbers of any size add up within 63 bits
  int exponent = 0;

  double limit() const;
  double quantum() const;
  // The smallest power of two above `largest` (finite, not zero), times 2^room.
  static FixedPoint above(double largest, int room);
  bool operator==(const FixedPoint&) const = default;
};

// into (int64) = or += the integers of `from` (floats of any type), of equal shape; into is contiguous.
// Returns the largest magnitude in `from`, infinity where a number is not finite. Where that is not below
// point.limit(), `into` is of no use.
double add_fixed(const at::Tensor& into, const at::Tensor& from, FixedPoint point, Onto onto);

// into (fp32 or fp64) = the numbers that the integers of `from` stand for, rounded. Returns the largest
// magnitude in `into`.
double from_fixed(const at::Tensor& into, const at::Tensor& from, FixedPoint point);

// The largest magnitude; infinity where a number is not finite, 0 of none.
double largest_magnitude(const at::Tensor& numbers);

// The two that sums are made with, to be replaced by faster ones.
struct FixedPointLoops {
  double (*add)(const at::Tensor& into, const at::Tensor& from, FixedPoint point, Onto onto) = add_fixed;
  double (*convert)(const at::Tensor& into, const at::Tensor& from, FixedPoint point) = from_fixed;
};

// A sum in two integers, 2^16 and 2^56 times which it is. Adding sums up is adding both.
struct FixedSum {
  int64_t high = 0, low = 0;

  // A finite number below 2^40. What it has below 2^-56 is cut off.
  static FixedSum of(double number);
  FixedSum& operator+=(FixedSum other) { return high += other.high, low += other.low, *this; }
  double value() const;
  bool operator==(const FixedSum&) const = default;
};

// Sums over the ranks. All ranks of the group must call, with as many.
std::vector<FixedSum> reduce_sums(Group& group, std::vector<FixedSum> sums);

// Sum of the squares of numbers / 2^exponent, whose magnitudes are at most 1 each; what a square has below
// 2^-50 is rounded.
FixedSum sum_of_squares(const at::Tensor& numbers, int exponent);

}  // namespace sextant::parallel
