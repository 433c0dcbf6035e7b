#include "parallel/fixed_point.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "parallel/group_threads.h"

namespace sextant::parallel::fixed_point_test {
namespace {

// Magnitudes from 1 down to 1e-8, both signs.
at::Tensor spread(int64_t count, double start, at::ScalarType type) {
  at::Tensor i = at::arange(count, at::kDouble);
  return (at::sin(i * 0.7 + start) * at::exp(-(i % 17) * 1.1)).to(type);
}

TEST(FixedPoint, AQuantumFollowsFromTheLargestNumber) {
  EXPECT_EQ(FixedPoint::above(1.0, 0).exponent, 1);
  EXPECT_EQ(FixedPoint::above(0.75, 0).exponent, 0);
  EXPECT_EQ(FixedPoint::above(0.75, 3).exponent, 3);
  EXPECT_EQ(FixedPoint::above(1e-30, 0).limit(), std::ldexp(1.0, -99));
  FixedPoint point{5};
  EXPECT_EQ(point.limit(), 32.0);
  EXPECT_EQ(point.limit() / point.quantum(), std::ldexp(1.0, 48));
  EXPECT_THROW(FixedPoint::above(0.0, 0), std::logic_error);
}

TEST(FixedPoint, WhatIsWrittenComesBack) {
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    at::Tensor numbers = spread(1000, 0.3, type), back = at::empty_like(numbers);
    at::Tensor integers = at::full({1000}, 7, at::kLong);
    FixedPoint point = FixedPoint::above(1.0, 3);
    double largest = add_fixed(integers, numbers, point, Onto::kWrite);
    EXPECT_EQ(largest, numbers.abs().max().to(at::kDouble).item<double>());
    double largest_back = from_fixed(back, integers, point);
    EXPECT_EQ(largest_back, back.abs().max().to(at::kDouble).item<double>());
    // Half a quantum, and the rounding of what comes back.
    at::Tensor allowed = numbers.abs().to(at::kDouble) * std::ldexp(1.0, -24) + point.quantum() / 2;
    EXPECT_TRUE((back.to(at::kDouble) - numbers.to(at::kDouble)).abs().le(allowed).all().item<bool>());
  }
}

TEST(FixedPoint, AnyOrderAndGroupingGivesTheSameBits) {
  constexpr int64_t kParts = 12, kCount = 500;
  FixedPoint point = FixedPoint::above(1.0, 3);
  std::vector<at::Tensor> parts;
  for (int64_t p = 0; p < kParts; ++p) parts.push_back(spread(kCount, static_cast<double>(p), at::kFloat));
  auto sum_of = [&](const std::vector<size_t>& order) {
    at::Tensor sum = at::zeros({kCount}, at::kLong);
    for (size_t p : order) add_fixed(sum, parts[p], point, Onto::kAdd);
    return sum;
  };
  std::vector<size_t> order(kParts);
  for (size_t p = 0; p < order.size(); ++p) order[p] = p;
  at::Tensor reference = sum_of(order);
  for (int round = 0; round < 20; ++round) {
    std::next_permutation(order.begin(), order.end());
    std::rotate(order.begin(), order.begin() + 5, order.end());
    EXPECT_TRUE(at::equal(sum_of(order), reference));
    size_t cut = static_cast<size_t>(round) % kParts;
    at::Tensor two = sum_of({order.begin(), order.begin() + static_cast<int64_t>(cut)}) +
                     sum_of({order.begin() + static_cast<int64_t>(cut), order.end()});
    EXPECT_TRUE(at::equal(two, reference));
  }
  // Whereas fp32 does depend on it: the test would not be worth much otherwise.
  at::Tensor there = at::zeros({kCount}), back = at::zeros({kCount});
  for (size_t p = 0; p < parts.size(); ++p) there.add_(parts[p]), back.add_(parts[parts.size() - 1 - p]);
  EXPECT_FALSE(at::equal(there, back));
}

TEST(FixedPoint, NumbersThatAreNotFiniteAreSeen) {
  for (float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN()}) {
    at::Tensor numbers = at::ones({9});
    numbers[4] = bad;
    EXPECT_EQ(largest_magnitude(numbers), std::numeric_limits<double>::infinity());
    EXPECT_EQ(add_fixed(at::empty({9}, at::kLong), numbers, FixedPoint{4}, Onto::kWrite),
              std::numeric_limits<double>::infinity());
  }
  EXPECT_EQ(largest_magnitude(at::empty({0})), 0.0);
}

TEST(FixedPoint, SumsOfSquares) {
  at::Tensor numbers = spread(3000, 0.1, at::kFloat) * 4;
  double wanted = numbers.to(at::kDouble).square().sum().item<double>();
  FixedSum sum = sum_of_squares(numbers, 2);
  EXPECT_NEAR(sum.value() * 16, wanted, 1e-11 * wanted);
  FixedSum cut = sum_of_squares(numbers.narrow(0, 0, 1234), 2);
  cut += sum_of_squares(numbers.narrow(0, 1234, 3000 - 1234), 2);
  EXPECT_EQ(cut.value(), sum.value());
}

TEST(FixedSum, HoldsAnFp32NumberExactly) {
  for (float number : {0.0f, 1.0f, -1.0f, 11.25f, -73421.437f, 1.0e9f, -3.0e-5f, 8388609.0f}) {
    EXPECT_EQ(FixedSum::of(number).value(), static_cast<double>(number));
  }
  EXPECT_THROW(FixedSum::of(2e12), std::logic_error);
}

TEST(FixedSum, RanksAddUpToTheSameInAnyDivision) {
  std::vector<double> numbers;
  for (int i = 0; i < 24; ++i) numbers.push_back(std::sin(i) * std::pow(10.0, i % 7 - 3));
  FixedSum all;
  for (double number : numbers) all += FixedSum::of(number);
  for (int64_t ranks : {1, 2, 3, 4}) {
    run_ranks(ranks, [&](Group& world) {
      FixedSum mine;
      for (size_t i = static_cast<size_t>(world.rank().value()); i < numbers.size();
           i += static_cast<size_t>(ranks))
        mine += FixedSum::of(numbers[i]);
      EXPECT_EQ(reduce_sums(world, {mine, {1, 0}})[0].value(), all.value());
      EXPECT_EQ(reduce_sums(world, {mine, {1, 0}})[1].value(), static_cast<double>(ranks) / 65536);
    });
  }
}

}  // namespace
}  // namespace sextant::parallel::fixed_point_test
