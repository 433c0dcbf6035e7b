#include "trainer/metrics/stop_signal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

namespace sextant::trainer::stop_signal_test {
namespace {

TEST(StopSignal, UserSignalAndTerminateAreRemembered) {
  for (int signal : {SIGUSR1, SIGTERM, SIGINT}) {
    StopSignal stop;
    EXPECT_FALSE(stop.requested());
    std::raise(signal);
    EXPECT_TRUE(stop.requested());
    EXPECT_EQ(stop.signal(), signal);
  }
}

TEST(StopSignal, MoreOfThemChangeNothing) {
  StopSignal stop;
  std::raise(SIGUSR1);
  std::raise(SIGTERM);
  std::raise(SIGTERM);
  std::raise(SIGUSR1);
  std::raise(SIGINT);
  EXPECT_EQ(stop.signal(), SIGUSR1);
}

TEST(StopSignal, ASecondInterruptKills) {
  EXPECT_EXIT(
      {
        StopSignal stop;
        std::raise(SIGINT);
        std::raise(SIGINT);
        _exit(0);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignal, HandlersFromBeforeComeBack) {
  struct sigaction mine {
  }, found{};
  mine.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGUSR1, &mine, nullptr), 0);
  {
    StopSignal stop;
    ASSERT_EQ(::sigaction(SIGUSR1, nullptr, &found), 0);
    EXPECT_NE(found.sa_handler, SIG_IGN);
  }
  ASSERT_EQ(::sigaction(SIGUSR1, nullptr, &found), 0);
  EXPECT_EQ(found.sa_handler, SIG_IGN);
  mine.sa_handler = SIG_DFL;
  ::sigaction(SIGUSR1, &mine, nullptr);
}

TEST(StopSignal, ARunThatLeavesIsNotKilledByWhatMpirunSends) {
  EXPECT_EXIT(
      {
        {
          StopSignal stop;
          std::raise(SIGUSR1);
        }
        std::raise(SIGTERM);
        std::raise(SIGUSR1);
        _exit(75);
      },
      testing::ExitedWithCode(75), "");
}

TEST(StopSignal, AProcessHasOne) {
  StopSignal stop;
  EXPECT_THROW(StopSignal(), std::logic_error);
  std::raise(SIGUSR1);
  EXPECT_TRUE(stop.requested());  // the first one still works
}

}  // namespace
}  // namespace sextant::trainer::stop_signal_test
