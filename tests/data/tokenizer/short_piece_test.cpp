#include "data/tokenizer/short_piece.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "data/tokenizer/short_piece_table.h"
#include "tests/data/tokenizer/small_definition.h"

namespace sextant::data::short_piece_test {
namespace {

TEST(ShortPiece, IsItsBytesAndNothingBehindThem) {
  const std::string text = random_bytes(64, 1);
  for (size_t begin = 0; begin + ShortPiece::kReads <= text.size(); ++begin) {
    for (size_t length = 1; length <= ShortPiece::kLongest; ++length) {
      std::string piece = text.substr(begin, length);
      ShortPiece read(text.data() + begin, length);
      ASSERT_EQ(read, ShortPiece(piece));
      ASSERT_EQ(read.bytes(), piece);
      ASSERT_EQ(read.hash(), ShortPiece(piece).hash());
      ASSERT_TRUE(read.filled());
    }
  }
}

TEST(ShortPiece, ZerosAndLengthCount) {
  using std::string_literals::operator""s;
  EXPECT_NE(ShortPiece("a"s), ShortPiece("a\0"s));
  EXPECT_NE(ShortPiece("\0"s), ShortPiece("\0\0"s));
  EXPECT_NE(ShortPiece("12345678"s), ShortPiece("12345678\0"s));
  EXPECT_NE(ShortPiece("\0"s), ShortPiece());
  EXPECT_FALSE(ShortPiece().filled());
}

TEST(ShortPieceTable, HoldsWhatAMapHolds) {
  ShortPieceTable<int> table;
  std::map<std::string, int> expected;
  EXPECT_EQ(table.find(ShortPiece("a")), nullptr);
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    std::string piece = random_text({"a", "b", "\xff"}, 1 + seed % 9, seed);
    table[ShortPiece(piece)] += 1;
    expected[piece] += 1;
  }
  EXPECT_EQ(table.size(), expected.size());
  for (const auto& [piece, count] : expected) ASSERT_EQ(*table.find(ShortPiece(piece)), count) << piece;
  EXPECT_EQ(table.find(ShortPiece("c")), nullptr);
  std::map<std::string, int> seen;
  table.each([&](std::string_view piece, int count) { seen.emplace(piece, count); });
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace sextant::data::short_piece_test
