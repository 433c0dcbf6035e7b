#include "trainer/kernels/fixed_point.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sextant::trainer::fixed_point_test {
namespace {

using parallel::FixedPoint;
using parallel::Onto;

// Magnitudes over 30 binary orders, with exact halves of quanta among them, of odd length.
at::Tensor numbers_of(at::ScalarType type, int64_t count = 200003) {
  at::Tensor i = at::arange(count, at::kDouble);
  at::Tensor numbers = at::sin(i * 0.37) * at::pow(2.0, -(i % 31)) * 5;
  numbers.slice(0, 0, count, 7).mul_(std::ldexp(1.0, 20)).round_().add_(0.5).mul_(std::ldexp(1.0, -46));
  return numbers.to(type);
}

constexpr FixedPoint kPoint{3};  // below 8; the quantum is 2^-45

class FixedPointLoops : public testing::TestWithParam<at::ScalarType> {};

TEST_P(FixedPointLoops, EveryInstructionSetGivesAtensBits) {
  at::Tensor numbers = numbers_of(GetParam());
  at::Tensor wanted = at::empty(numbers.sizes(), at::kLong), back = at::empty_like(numbers);
  double largest = parallel::add_fixed(wanted, numbers, kPoint, Onto::kWrite);
  parallel::add_fixed(wanted, numbers * -0.3, kPoint, Onto::kAdd);
  double largest_back = parallel::from_fixed(back, wanted, kPoint);
  for (InstructionSet set : supported_instruction_sets()) {
    at::Tensor integers = at::full(numbers.sizes(), 99, at::kLong), floats = at::empty_like(numbers);
    EXPECT_EQ(add_fixed(integers, numbers, kPoint, Onto::kWrite, set), largest) << name_of(set);
    add_fixed(integers, numbers * -0.3, kPoint, Onto::kAdd, set);
    EXPECT_TRUE(at::equal(integers, wanted)) << name_of(set);
    EXPECT_EQ(from_fixed(floats, integers, kPoint, set), largest_back) << name_of(set);
    EXPECT_TRUE(at::equal(floats, back)) << name_of(set);
    EXPECT_EQ(sum_of_squares(numbers, 3, set).value(), parallel::sum_of_squares(numbers, 3).value())
        << name_of(set);
  }
}

TEST_P(FixedPointLoops, ThreadsMakeNoDifference) {
  int before = at::get_num_threads();
  at::Tensor numbers = numbers_of(GetParam());
  at::Tensor integers[2];
  double squares[2];
  for (int i : {0, 1}) {
    at::set_num_threads(i == 0 ? 1 : 3);
    integers[i] = at::empty(numbers.sizes(), at::kLong);
    add_fixed(integers[i], numbers, kPoint, Onto::kWrite, instruction_set());
    squares[i] = sum_of_squares(numbers, 3).value();
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(integers[0], integers[1]));
  EXPECT_EQ(squares[0], squares[1]);
}

TEST_P(FixedPointLoops, NumbersThatAreNotFiniteAreSeen) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (double bad : {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    at::Tensor numbers = at::ones({1001}, GetParam()), integers = at::zeros({1001}, at::kLong);
    numbers[500] = bad;
    for (InstructionSet set : supported_instruction_sets()) {
      EXPECT_EQ(add_fixed(integers, numbers, kPoint, Onto::kAdd, set), kInfinity) << name_of(set);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, FixedPointLoops, testing::Values(at::kFloat, at::kDouble),
                         [](const auto& named) { return std::string(c10::toString(named.param)); });

// Squares of ones are the largest there are: a stretch of them must not overflow.
TEST(FixedPointSquares, OfTheLargestNumbers) {
  at::Tensor ones = at::ones({100000});
  for (InstructionSet set : supported_instruction_sets()) {
    EXPECT_EQ(sum_of_squares(ones, 0, set).value(), 100000.0) << name_of(set);
  }
}

}  // namespace
}  // namespace sextant::trainer::fixed_point_test
