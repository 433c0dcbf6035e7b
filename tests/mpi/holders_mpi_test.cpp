#include "parallel/holders.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/mpi/session.h"

namespace sextant::parallel::holders_mpi_test {
namespace {

// Each rank has one tensor with everybody and one with its neighbour.
TEST(HoldersMpi, SetsAreGroups) {
  auto world = session().world();
  int64_t pair = world->rank().value() / 2, pairs = (world->size() + 1) / 2;
  Holders holders(*world, {{"all", {{0}, {4}}}, {"halves", {{pair}, {1}}}});
  EXPECT_EQ(holders.of(0).size(), world->size());
  EXPECT_EQ(holders.of(1).size(), pair == pairs - 1 && world->size() % 2 == 1 ? 1 : 2);
  at::Tensor sum = at::ones({1});
  holders.of(1).all_reduce(sum);
  EXPECT_EQ(sum.item<double>(), static_cast<double>(holders.of(1).size()));
  holders.of(0).all_reduce(sum);
  EXPECT_GE(sum.item<double>(), static_cast<double>(world->size()));
}

}  // namespace
}  // namespace sextant::parallel::holders_mpi_test
