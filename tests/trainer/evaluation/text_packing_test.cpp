#include "trainer/evaluation/text_packing.h"

#include <gtest/gtest.h>

namespace sextant::trainer {
namespace {

using Numbers = std::vector<int64_t>;

// Branches as numbers: first, last, parent of each.
Numbers flat(const std::vector<Branch>& branches) {
  Numbers all;
  for (const Branch& b : branches) {
    for (int64_t number : {b.first, b.last, b.parent}) all.push_back(number);
  }
  return all;
}

TEST(TextPacking, TextsBranchOffWhereTheyDiffer) {
  // The third text is measured inside of what the others begin with, by channels that they are not measured
  // by.
  TextsOfItem texts = {{{1, 2, 3, 8, 5}, 3, false}, {{1, 2, 3, 7}, 3, false}, {{1, 2, 3, 9, 6}, 2, false}};
  TextPacking packing(kept_length(texts));
  packing.add(texts);
  EXPECT_EQ(packing.size(), 5);
  PackedRow row = packing.row();
  EXPECT_EQ(row.tokens, (Numbers{1, 2, 3, 8, 9}));
  EXPECT_EQ(row.positions, (Numbers{0, 1, 2, 3, 3}));
  EXPECT_EQ(flat(row.branches), (Numbers{0, 3, -1, 3, 4, 0, 4, 5, 0}));
  EXPECT_EQ(row.measured_at, (Numbers{2, 3, 1, 4}));
  EXPECT_EQ(row.rows, (Numbers{0, 1, 0, 2, 0, 3}));
  EXPECT_EQ(row.targets, (Numbers{8, 5, 7, 3, 9, 6}));
}

TEST(TextPacking, ItemsStandBesideEachOtherOrShareWhatTheyBeginWith) {
  TextsOfItem one = {{{1, 2, 3, 4}, 1, false}}, other = {{{5, 6}, 1, false}, {{1, 2, 7, 8}, 3, false}};
  TextPacking packing(0);
  packing.add(one);
  packing.add(other);
  EXPECT_EQ(packing.size(), 5);
  PackedRow row = packing.row();
  EXPECT_EQ(row.tokens, (Numbers{1, 2, 3, 7, 5}));
  EXPECT_EQ(row.positions, (Numbers{0, 1, 2, 2, 0}));
  EXPECT_EQ(flat(row.branches), (Numbers{0, 2, -1, 2, 3, 0, 3, 4, 0, 4, 5, -1}));
  EXPECT_EQ(row.measured_at, (Numbers{0, 1, 2, 4, 3}));
  EXPECT_EQ(row.rows, (Numbers{0, 1, 2, 3, 4}));
  EXPECT_EQ(row.targets, (Numbers{2, 3, 4, 6, 8}));
}

TEST(TextPacking, WhatIsKeptIsNotRead) {
  std::vector<int32_t> front;
  for (int32_t i = 0; i < 20; ++i) front.push_back(i);
  TextsOfItem texts(2, {front, 18, false, 16});
  texts[0].ids.push_back(30);
  texts[1].ids.push_back(31);
  EXPECT_EQ(kept_length(texts), 16);
  TextPacking packing(16);
  packing.add(texts);
  PackedRow row = packing.row();
  EXPECT_EQ(row.tokens, (Numbers{16, 17, 18, 19}));
  EXPECT_EQ(row.positions, (Numbers{16, 17, 18, 19}));
  EXPECT_EQ(flat(row.branches), (Numbers{0, 4, -1}));
  EXPECT_EQ(row.measured_at, (Numbers{1, 2, 3}));
  EXPECT_EQ(row.rows, (Numbers{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(row.targets, (Numbers{18, 19, 30, 18, 19, 31}));
  texts[1].kept = 15;
  EXPECT_EQ(kept_length(texts), 0) << "so few are read again";
  texts[1].kept = 19;
  EXPECT_EQ(kept_length(texts), 16);
  texts[1].ids[3] = 40;
  EXPECT_EQ(kept_length(texts), 0) << "they do not begin alike";
}

}  // namespace
}  // namespace sextant::trainer
