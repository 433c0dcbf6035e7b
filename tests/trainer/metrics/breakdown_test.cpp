#include "trainer/metrics/breakdown.h"

#include <gtest/gtest.h>

#include "trainer/metrics/memory.h"

namespace sextant::trainer::breakdown_test {
namespace {

TEST(Breakdown, TheInnermostTimerGetsTheTime) {
  double now = 100;
  Breakdown breakdown([&] { return now; });
  now += 1;  // other
  {
    auto backward = breakdown.measure(TimeKind::kBackward);
    now += 2;
    {
      auto waiting = breakdown.measure(TimeKind::kCommunication);
      now += 4;
    }
    now += 8;
  }
  {
    auto optimizer = breakdown.measure(TimeKind::kOptimizer);
    now += 16;
  }
  KindSeconds step = breakdown.end_step();
  EXPECT_EQ(step[TimeKind::kOther], 1);
  EXPECT_EQ(step[TimeKind::kBackward], 10);
  EXPECT_EQ(step[TimeKind::kCommunication], 4);
  EXPECT_EQ(step[TimeKind::kOptimizer], 16);
  EXPECT_EQ(step.sum(), 31);
}

TEST(Breakdown, WaitingForOtherRanksIsCommunicationWhateverTimerRuns) {
  double now = 100, waited = 7;
  Breakdown breakdown([&] { return now; }, [&] { return waited; });
  {
    auto forward = breakdown.measure(TimeKind::kForward);
    now += 5;
    waited += 3;
  }
  {
    auto communication = breakdown.measure(TimeKind::kCommunication);
    now += 4;
    waited += 1;
  }
  KindSeconds step = breakdown.end_step();
  EXPECT_EQ(step[TimeKind::kForward], 2);
  EXPECT_EQ(step[TimeKind::kCommunication], 7);
  EXPECT_EQ(step.sum(), 9);
}

TEST(Breakdown, StepsStartFromZeroAndAddUp) {
  double now = 0;
  Breakdown breakdown([&] { return now; });
  for (int step = 1; step <= 3; ++step) {
    auto forward = breakdown.measure(TimeKind::kForward);
    now += step;
    EXPECT_EQ(breakdown.end_step()[TimeKind::kForward], step);  // ends inside a running timer
  }
  EXPECT_EQ(breakdown.steps(), 3);
  EXPECT_EQ(breakdown.total()[TimeKind::kForward], 6);
  EXPECT_EQ(breakdown.total().sum(), 6);
}

TEST(Breakdown, TheTableNamesEveryKind) {
  double now = 0;
  Breakdown breakdown([&] { return now; });
  {
    auto data = breakdown.measure(TimeKind::kData);
    now += 1;
  }
  now += 3;
  breakdown.end_step();
  std::string table = breakdown.table();
  for (TimeKind kind : kAllTimeKinds) EXPECT_NE(table.find(time_kind_name(kind)), std::string::npos) << table;
  EXPECT_NE(table.find("25.0 %"), std::string::npos) << table;
  EXPECT_NE(Breakdown().table().find("0 steps"), std::string::npos);
}

TEST(Breakdown, TheRealClockMovesOn) {
  Breakdown breakdown;
  double begin = steady_seconds();
  while (steady_seconds() - begin < 0.002) {
  }
  EXPECT_GE(breakdown.end_step().sum(), 0.002);
}

TEST(Memory, CountsWhatIsTouched) {
  ProcessMemory before = process_memory();
  EXPECT_GT(before.resident, 1 << 20);
  EXPECT_GE(before.peak, before.resident);
  std::vector<char> block(64 << 20, 'x');
  ProcessMemory during = process_memory();
  EXPECT_GE(during.resident, before.resident + (60 << 20));
  EXPECT_GE(during.peak, during.resident);
  EXPECT_EQ(block[1 << 20], 'x');
}

TEST(Memory, AnAbsentFileGivesZeros) {
  ProcessMemory memory = process_memory("/nonexistent/status");
  EXPECT_EQ(memory.resident, 0);
  EXPECT_EQ(memory.peak, 0);
}

}  // namespace
}  // namespace sextant::trainer::breakdown_test
