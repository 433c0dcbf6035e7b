#include "trainer/plan/step_time.h"

#include <gtest/gtest.h>

namespace sextant::trainer::step_time_test {
namespace {

parallel::ScheduleShape shape(int64_t ranks, int64_t microbatches) {
  parallel::ScheduleShape shape;
  shape.ranks = ranks;
  shape.microbatches = microbatches;
  return shape;
}

RankTimes times() {
  RankTimes rank;
  rank.forward = 1;
  rank.backward = 2;
  rank.rest = 0.5;
  return rank;
}

TEST(StepTime, AddsUpOnOneRank) {
  StepTime time = step_time(shape(1, 4), {times()}, {});
  EXPECT_DOUBLE_EQ(time.seconds, 4 * 3 + 0.5);
  EXPECT_DOUBLE_EQ(time.bubble, 0);
  EXPECT_DOUBLE_EQ(time.communication, 0);
}

// Narayanan et al. 2021: m microbatches on p ranks take m + p - 1 turns.
TEST(StepTime, HasThePapersBubble) {
  RankTimes rank = times();
  rank.rest = 0;
  StepTime time = step_time(shape(4, 8), {4, rank}, {});
  EXPECT_DOUBLE_EQ(time.seconds, (8 + 3) * 3);
  EXPECT_DOUBLE_EQ(time.bubble, 3.0 / 11);
}

TEST(StepTime, WaitsForTheSlowestStage) {
  RankTimes slow = times();
  slow.forward = 2;
  slow.backward = 4;
  double seconds = step_time(shape(2, 8), {times(), slow}, {}).seconds;
  EXPECT_GE(seconds, 8 * 6 + 0.5);
  EXPECT_LE(seconds, 8 * 6 + 3 + 0.5);
}

TEST(StepTime, CountsMessages) {
  RankTimes rank = times();
  rank.microbatch_communication = 0.25;
  rank.step_communication = 3;
  StepTime time = step_time(shape(1, 4), {rank}, {});
  EXPECT_DOUBLE_EQ(time.seconds, 4 * 3.25 + 0.5 + 3);
  EXPECT_DOUBLE_EQ(time.communication, 4 / time.seconds);
}

TEST(StepTime, HidesSumsBehindTheLastBackwardWhereItCan) {
  RankTimes rank = times();
  rank.step_communication = 3;
  Sharing sharing;
  sharing.sums_hide_behind_backward = true;
  EXPECT_DOUBLE_EQ(step_time(shape(1, 4), {rank}, sharing).seconds, 4 * 3 + 0.5 + 1);
  rank.step_communication = 1.5;
  EXPECT_DOUBLE_EQ(step_time(shape(1, 4), {rank}, sharing).seconds, 4 * 3 + 0.5);
}

// Two stages on one core: while one waits, the other one runs, and nothing is gained over one rank.
TEST(StepTime, RanksWithoutACoreOfTheirOwnTakeTurns) {
  Sharing sharing;
  sharing.ranks_a_place = 2;
  StepTime time = step_time(shape(2, 4), {2, times()}, sharing);
  EXPECT_DOUBLE_EQ(time.seconds, 2 * (4 * 3 + 0.5));
  EXPECT_DOUBLE_EQ(time.bubble, 0);
}

}  // namespace
}  // namespace sextant::trainer::step_time_test
