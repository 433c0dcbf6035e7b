#include "trainer/model/initialise.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sextant::trainer::initialise_test {
namespace {

Parameter described(const std::string& name, parallel::Placement placement) {
  Parameter parameter;
  parameter.name = name;
  parameter.shape = {8, 6};
  parameter.placement = placement;
  parameter.initial_std = 0.5;
  return parameter;
}

at::Tensor initialised(const std::string& name, parallel::Placement placement, uint64_t seed) {
  ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
  Parameter& parameter = parameters.add(described(name, placement));
  initialise(parameters, seed);
  return parameter.master;
}

TEST(Initialise, PartsOfEveryCutAreThoseOfTheWhole) {
  at::Tensor whole = initialised("w", {}, 7);
  for (int64_t dim : {0, 1}) {
    for (int64_t part : {0, 1}) {
      at::Tensor cut = initialised("w", {{{dim, 2, part}}}, 7);
      EXPECT_TRUE(at::equal(cut, whole.chunk(2, dim)[static_cast<size_t>(part)])) << dim << " " << part;
    }
  }
  at::Tensor corner = initialised("w", {{{0, 2, 1}, {1, 3, 2}, {0, 2, 0}}}, 7);
  EXPECT_TRUE(at::equal(corner, whole.narrow(0, 4, 2).narrow(1, 4, 2)));
}

TEST(Initialise, NameAndSeedDecide) {
  at::Tensor whole = initialised("w", {}, 7);
  EXPECT_TRUE(at::equal(initialised("w", {}, 7), whole));
  EXPECT_FALSE(at::equal(initialised("v", {}, 7), whole));
  EXPECT_FALSE(at::equal(initialised("w", {}, 8), whole));
}

TEST(Initialise, HasTheDeviationAskedFor) {
  ParameterList parameters({at::kFloat, at::kFloat}, at::kCPU);
  Parameter big = described("w", {});
  big.shape = {300, 300};
  Parameter& parameter = parameters.add(big);
  initialise(parameters, 1);
  EXPECT_NEAR(parameter.master.std().item<double>(), 0.5, 0.005);  // 90,000 draws: 3 sigma is 0.0035
  EXPECT_NEAR(parameter.master.mean().item<double>(), 0.0, 0.006);
}

}  // namespace
}  // namespace sextant::trainer::initialise_test
