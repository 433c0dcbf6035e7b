#include "parallel/arrival_schedule.h"

#include <gtest/gtest.h>

namespace sextant::parallel::arrival_schedule_test {
namespace {

using Sums = ArrivalSchedule::Sums;
using Order = std::vector<size_t>;

// Two buckets of two leaves each, {0, 1} and {2, 3}, of one set.
ArrivalSchedule two_buckets(Sums sums) {
  return {{{{0, 1}, 0, sums}, {{2, 3}, 0, sums}}, {1, 1, 1, 1}};
}

Order due(ArrivalSchedule& schedule) {
  Order order;
  while (auto bucket = schedule.next()) order.push_back(*bucket);
  return order;
}

Order rest(ArrivalSchedule& schedule) {
  Order order;
  while (auto bucket = schedule.rest()) order.push_back(*bucket);
  return order;
}

// Leaves arrive in this order; what became due after each.
std::vector<Order> play(ArrivalSchedule& schedule, const Order& leaves) {
  std::vector<Order> all;
  for (size_t leaf : leaves) {
    schedule.arrived(leaf);
    all.push_back(due(schedule));
  }
  return all;
}

TEST(ArrivalSchedule, BucketsAreDueWhenAllHasCome) {
  for (auto sums : {Sums::kOnce, Sums::kEachMicrobatch}) {
    auto schedule = two_buckets(sums);
    for (int step = 0; step < 2; ++step) {
      schedule.begin_step(1);
      EXPECT_EQ(play(schedule, {1, 0, 3, 2}), (std::vector<Order>{{}, {0}, {}, {1}}));
      EXPECT_EQ(rest(schedule), Order());
      schedule.end_step();
    }
  }
}

// Leaf 0 is used twice in a forward, of which the schedule is told: the first step is as all others.
TEST(ArrivalSchedule, WhatIsToldHoldsFromTheFirstStepOn) {
  for (auto sums : {Sums::kOnce, Sums::kEachMicrobatch}) {
    ArrivalSchedule schedule({{{0, 1}, 0, sums}, {{2, 3}, 0, sums}}, {2, 1, 1, 1});
    for (int step = 0; step < 2; ++step) {
      schedule.begin_step(1);
      EXPECT_EQ(play(schedule, {0, 1, 2, 3, 0}), (std::vector<Order>{{}, {}, {}, {}, {0, 1}}));
      EXPECT_EQ(rest(schedule), Order());
      schedule.end_step();
    }
  }
}

TEST(ArrivalSchedule, WhatIsToldWrongIsLearnt) {
  auto schedule = two_buckets(Sums::kOnce);
  schedule.begin_step(1);
  EXPECT_EQ(play(schedule, {0, 1, 2, 3, 0}), (std::vector<Order>{{}, {0}, {}, {1}, {}})) << "0 came late";
  schedule.end_step();
  schedule.begin_step(1);
  EXPECT_EQ(play(schedule, {0, 1, 2, 3, 0}), (std::vector<Order>{{}, {}, {}, {}, {0, 1}}));
}

TEST(ArrivalSchedule, BucketsOfASetKeepTheirOrder) {
  auto schedule = two_buckets(Sums::kOnce);
  schedule.begin_step(1);
  play(schedule, {0, 1, 2, 3});
  schedule.end_step();
  schedule.begin_step(1);
  EXPECT_EQ(play(schedule, {2, 3, 0, 1}), (std::vector<Order>{{}, {}, {}, {0, 1}}));
}

TEST(ArrivalSchedule, SetsDoNotWaitForEachOther) {
  ArrivalSchedule schedule({{{0}, 0, Sums::kOnce}, {{1}, 1, Sums::kOnce}}, {1, 1});
  schedule.begin_step(1);
  play(schedule, {0, 1});
  schedule.end_step();
  schedule.begin_step(1);
  EXPECT_EQ(play(schedule, {1, 0}), (std::vector<Order>{{1}, {0}}));
}

// As a pipeline does: the loss's leaf 0 comes for microbatch 1 before the others have come for microbatch 0.
TEST(ArrivalSchedule, InterleavedMicrobatchesAreCountedOverTheStep) {
  auto schedule = two_buckets(Sums::kOnce);
  schedule.begin_step(2);
  play(schedule, {0, 0, 1, 2, 3, 1, 2, 3});
  schedule.end_step();
  schedule.begin_step(2);
  EXPECT_EQ(play(schedule, {0, 0, 1, 2, 3, 1, 2, 3}), (std::vector<Order>{{}, {}, {}, {}, {}, {0}, {}, {1}}));
}

TEST(ArrivalSchedule, StepsOfAnotherLengthAreLearntByThemselves) {
  auto schedule = two_buckets(Sums::kOnce);
  schedule.begin_step(1);
  play(schedule, {0, 1, 2, 3, 0});
  schedule.end_step();
  schedule.begin_step(2);
  EXPECT_EQ(play(schedule, {0, 1, 2, 3}), (std::vector<Order>{{}, {}, {}, {}})) << "half of the step";
}

TEST(ArrivalSchedule, LeavesThatNeverComeHoldNothingBack) {
  auto schedule = two_buckets(Sums::kOnce);
  schedule.begin_step(1);
  play(schedule, {0, 2, 3});
  EXPECT_EQ(rest(schedule), (Order{0, 1}));
  schedule.end_step();
  schedule.begin_step(1);
  EXPECT_EQ(play(schedule, {0, 2, 3}), (std::vector<Order>{{0}, {}, {1}}));
}

TEST(ArrivalSchedule, EachMicrobatchIsSummedFromTheFirstStepOn) {
  auto schedule = two_buckets(Sums::kEachMicrobatch);
  for (int step = 0; step < 2; ++step) {
    schedule.begin_step(2);
    EXPECT_EQ(play(schedule, {0, 1, 2, 3, 0, 1, 2, 3}),
              (std::vector<Order>{{}, {0}, {}, {1}, {}, {0}, {}, {1}}));
    EXPECT_EQ(rest(schedule), Order());
    schedule.end_step();
  }
}

// Leaf 0 comes three times in a microbatch: known from the second step on.
TEST(ArrivalSchedule, SeveralArrivalsInAMicrobatch) {
  auto schedule = two_buckets(Sums::kEachMicrobatch);
  Order microbatch = {0, 0, 1, 2, 3, 0};
  Order leaves = microbatch;
  leaves.insert(leaves.end(), microbatch.begin(), microbatch.end());
  schedule.begin_step(2);
  play(schedule, leaves);
  EXPECT_EQ(rest(schedule), Order());
  schedule.end_step();
  schedule.begin_step(2);
  EXPECT_EQ(play(schedule, leaves),
            (std::vector<Order>{{}, {}, {}, {}, {}, {0, 1}, {}, {}, {}, {}, {}, {0, 1}}));
}

TEST(ArrivalSchedule, WhatIsMissingIsSummedAtTheEnd) {
  auto schedule = two_buckets(Sums::kEachMicrobatch);
  schedule.begin_step(2);
  play(schedule, {0, 1, 2});
  EXPECT_EQ(rest(schedule), (Order{1, 0, 1})) << "each bucket twice in all, on every rank";
}

TEST(ArrivalSchedule, SomeWaitForTheEnd) {
  auto schedule = two_buckets(Sums::kOnceAtTheEnd);
  for (int step = 0; step < 2; ++step) {
    schedule.begin_step(1);
    EXPECT_EQ(play(schedule, {0, 1, 2, 3}), (std::vector<Order>{{}, {}, {}, {}}));
    EXPECT_EQ(rest(schedule), (Order{0, 1}));
    schedule.end_step();
  }
}

}  // namespace
}  // namespace sextant::parallel::arrival_schedule_test
