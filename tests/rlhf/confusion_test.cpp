// Scores of a classifier against numbers worked out by hand.
#include "rlhf/confusion.h"

#include <gtest/gtest.h>

namespace sextant::rlhf::confusion_test {
namespace {

// Of three classes: 4 of class 0 called 0 0 1 and nothing, 3 of class 1 called 1 1 0, none of class 2, 1
// called 2.
Confusion mixed() {
  Confusion found(3);
  for (size_t called : {size_t{0}, size_t{0}, size_t{1}, Confusion::kNothing}) found.add(0, called);
  for (size_t called : {1, 1, 2}) found.add(1, called);
  return found;
}

TEST(Confusion, CountsShares) {
  Confusion found = mixed();
  EXPECT_EQ(found.items(), 7);
  EXPECT_EQ(found.count(0, Confusion::kNothing), 1);
  EXPECT_DOUBLE_EQ(found.accuracy(), 4.0 / 7);
  EXPECT_DOUBLE_EQ(found.largest_share(), 4.0 / 7);
  ClassScores first = found.scores(0), second = found.scores(1), third = found.scores(2);
  EXPECT_DOUBLE_EQ(first.precision, 1);
  EXPECT_DOUBLE_EQ(first.recall, 0.5);
  EXPECT_DOUBLE_EQ(first.f1, 2.0 / 3);
  EXPECT_EQ(first.support, 4);
  EXPECT_DOUBLE_EQ(second.precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(second.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(third.precision, 0);
  EXPECT_EQ(third.support, 0);
  EXPECT_DOUBLE_EQ(found.macro_f1(), (2.0 / 3 + 2.0 / 3 + 0) / 3);
}

TEST(Confusion, LeavesOutClassesThatNothingIsOf) {
  Confusion found(3);
  found.add(0, 0);
  found.add(1, 0);
  EXPECT_DOUBLE_EQ(found.macro_f1(), (2.0 / 3 + 0) / 2) << "class 2 was neither there nor called";
  EXPECT_EQ(Confusion(2).accuracy(), 0);
}

TEST(AreaUnderCurve, IsTheShareOfPairsInOrder) {
  // Pairs (true, false): 0.9 > both, 0.4 ties with 0.4 and beats 0.1: 3.5 of 4.
  EXPECT_DOUBLE_EQ(area_under_curve({0.9, 0.4, 0.4, 0.1}, {true, false, true, false}), 3.5 / 4);
  EXPECT_DOUBLE_EQ(area_under_curve({0.1, 0.9}, {true, false}), 0);
  EXPECT_DOUBLE_EQ(area_under_curve({0.1, 0.9}, {true, true}), 0.5);
  EXPECT_DOUBLE_EQ(area_under_curve({}, {}), 0.5);
}

}  // namespace
}  // namespace sextant::rlhf::confusion_test
