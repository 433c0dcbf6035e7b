#include "trainer/plan/network.h"

#include <gtest/gtest.h>

#include "parallel/group_threads.h"

namespace sextant::trainer::network_test {
namespace {

using parallel::Verb;

TEST(Network, RingsSendEachPartOnce) {
  EXPECT_DOUBLE_EQ(bytes_sent(Verb::kAllReduce, 4, 100), 150);
  EXPECT_DOUBLE_EQ(bytes_sent(Verb::kAllGather, 4, 100), 75);
  EXPECT_DOUBLE_EQ(bytes_sent(Verb::kReduceScatter, 2, 100), 50);
  EXPECT_DOUBLE_EQ(bytes_sent(Verb::kSend, 2, 100), 100);
}

TEST(Network, FollowsItsFigures) {
  Network network(1e-3, 1e9);
  EXPECT_DOUBLE_EQ(network.seconds({Verb::kSend, at::kFloat, 2, 2, 1000000}), 1e-3 + 1e-3);
  // A sum goes round twice.
  EXPECT_DOUBLE_EQ(network.seconds({Verb::kAllReduce, at::kFloat, 2, 2, 2000000}), 2e-3 + 2e-3);
  EXPECT_DOUBLE_EQ(network.seconds({Verb::kAllReduce, at::kFloat, 1, 1, 2000000}), 0);
  // Eight ranks take three turns to tell each other where two take one.
  EXPECT_NEAR(network.seconds({Verb::kSend, at::kFloat, 8, 8, 1000000}), 3e-3 + 1e-3, 1e-12);
}

TEST(Networks, GoThroughTheMachineWhereTheyCan) {
  Networks networks{Network(0, 1e9), Network(0, 1e8), 4};
  parallel::Traffic::Call near{Verb::kSend, at::kFloat, 2, 4, 1000000}, far = near;
  far.span = 5;
  EXPECT_DOUBLE_EQ(networks.seconds({{near, 3}}), 3e-3);
  EXPECT_DOUBLE_EQ(networks.seconds({{far, 3}}), 30e-3);
  EXPECT_DOUBLE_EQ(networks.seconds({{near, 1}, {far, 1}}), 11e-3);
}

TEST(Network, IsMeasuredBetweenRanks) {
  parallel::run_ranks(2, [](parallel::Group& world) {
    Network network = Network::measured(world, at::kCPU, {at::kFloat, at::kBFloat16});
    for (Verb verb : parallel::kAllVerbs) {
      for (at::ScalarType type : {at::kFloat, at::kBFloat16, at::kLong}) {
        double small = network.seconds({verb, type, 2, 2, 1 << 12});
        EXPECT_GT(small, 0) << parallel::verb_name(verb);
        EXPECT_GT(network.seconds({verb, type, 2, 2, 1 << 28}), small) << parallel::verb_name(verb);
      }
    }
  });
}

}  // namespace
}  // namespace sextant::trainer::network_test
