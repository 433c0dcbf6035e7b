#include "rlhf/length_watch.h"

#include <gtest/gtest.h>

#include <limits>

namespace sextant::rlhf::length_watch_test {
namespace {

TEST(LengthWatch, TellsOnceOfScoresThatFollowTheLength) {
  LengthWatch watch;
  for (int step = 0; step < 4; ++step) EXPECT_FALSE(watch.observe(0.9, 40)) << "too few steps";
  auto told = watch.observe(0.9, 40);
  ASSERT_TRUE(told);
  EXPECT_NE(told->find("+0.90"), std::string::npos) << *told;
  EXPECT_NE(told->find("long rather than good"), std::string::npos) << *told;
  EXPECT_FALSE(watch.observe(0.9, 41)) << "told already";
  for (int step = 0; step < 5; ++step) EXPECT_FALSE(watch.observe(0.1, 40));
  int times = 0;
  for (int step = 0; step < 6; ++step) times += watch.observe(-0.95, 3) ? 1 : 0;
  EXPECT_EQ(times, 1) << "short ones, too, and once more";
}

TEST(LengthWatch, SaysNothingOfWeakOnes) {
  LengthWatch watch;
  for (int step = 0; step < 20; ++step) EXPECT_FALSE(watch.observe(step % 2 == 0 ? 0.95 : 0.3, 10));
  for (int step = 0; step < 20; ++step)
    EXPECT_FALSE(watch.observe(std::numeric_limits<double>::quiet_NaN(), 10));
}

}  // namespace
}  // namespace sextant::rlhf::length_watch_test
