#include "trainer/quantum.h"

#include <gtest/gtest.h>

#include <limits>

namespace sextant::trainer::quantum_test {
namespace {

TEST(Quantum, TheFirstStepIsDoneTwice) {
  Quantum quantum;
  EXPECT_FALSE(quantum.accepts(0.7));
  quantum.learn(0.7);
  EXPECT_TRUE(quantum.accepts(0.7));
  EXPECT_EQ(quantum.point().exponent, 3);  // 0.7 < 2^0, and three bits of room
}

TEST(Quantum, GradientsMayGrowEightfoldAtLeast) {
  Quantum quantum;
  quantum.learn(0.7);
  EXPECT_TRUE(quantum.accepts(0.7 * 8));
  EXPECT_FALSE(quantum.accepts(8.0));
  quantum.learn(8.0);
  EXPECT_TRUE(quantum.accepts(8.0));
}

TEST(Quantum, NothingAndNonsenseChangeNothing) {
  Quantum quantum;
  EXPECT_TRUE(quantum.accepts(0.0)) << "there is nothing to sum";
  quantum.learn(0.0);
  EXPECT_EQ(quantum.exponent(), std::nullopt);
  quantum.learn(3.0);
  EXPECT_TRUE(quantum.accepts(std::numeric_limits<double>::infinity())) << "no quantum would do";
  quantum.learn(std::numeric_limits<double>::infinity());
  quantum.learn(0.0);
  EXPECT_EQ(quantum.exponent(), 5);
}

TEST(Quantum, GoesOnWithARun) {
  Quantum before, after;
  before.learn(1e-20);
  after.restore(before.exponent());
  EXPECT_EQ(after.point(), before.point());
  after.restore(std::nullopt);
  EXPECT_FALSE(after.accepts(1e-20));
}

}  // namespace
}  // namespace sextant::trainer::quantum_test
