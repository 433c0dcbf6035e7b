#include "data/tokenizer/split_pattern.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/tokenizer/splitter.h"
#include "parallel/base/error.h"
#include "tests/data/tokenizer/small_definition.h"

namespace sextant::data::split_pattern_test {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(const SplitPattern& pattern, std::string_view text) {
  Pieces pieces;
  SplitPattern::Matcher matcher;
  pattern.split(text, matcher, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

Pieces split(std::string_view name, std::string_view text) {
  return split(SplitPattern::named(name), text);
}

std::string joined(const Pieces& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

TEST(SplitPattern, Gpt2KeepsASpaceWithItsWord) {
  EXPECT_EQ(split("gpt2", "Hello world, it's 2024!  OK\n\nx"),
            (Pieces{"Hello", " world", ",", " it", "'s", " 2024", "!", " ", " OK", "\n", "\n", "x"}));
  EXPECT_EQ(split("gpt2", "WE'RE we're"), (Pieces{"WE", "'", "RE", " we", "'re"}));
}

TEST(SplitPattern, Cl100kCutsNumbersByThreeAndFoldsContractions) {
  EXPECT_EQ(split("cl100k", "Hello world, IT'S 12345!\n\n  x"),
            (Pieces{"Hello", " world", ",", " IT", "'S", " ", "123", "45", "!\n\n", " ", " x"}));
  EXPECT_EQ(split("cl100k", "\tfoo(bar)  \n y"), (Pieces{"\tfoo", "(bar", ")", "  \n", " y"}));
}

TEST(SplitPattern, O200kCutsAtCapitalsAndKeepsContractions) {
  EXPECT_EQ(split("o200k", "HelloWorld it's HTTPServer a//\n/b"),
            (Pieces{"Hello", "World", " it's", " HTTPServer", " a", "//\n/", "b"}));
}

TEST(SplitPattern, KnowsLettersOfOtherScripts) {
  EXPECT_EQ(split("cl100k", "naïve Ελλάδα 日本語 ١٢٣٤"),
            (Pieces{"naïve", " Ελλάδα", " 日本語", " ", "١٢٣", "٤"}));
  EXPECT_EQ(split("gpt2", "🙂🙂 a"), (Pieces{"🙂🙂", " a"}));
}

TEST(SplitPattern, TheMongolianVowelSeparatorIsNoWhiteSpace) {
  EXPECT_EQ(split("gpt2", "a\u180e b"), (Pieces{"a", "\u180e", " b"}));
}

TEST(SplitPattern, BytesThatAreNotUtf8BecomePieces) {
  EXPECT_EQ(split("cl100k", "ab\xff\xfe cd\xc3"), (Pieces{"ab", "\xff\xfe", " cd", "\xc3"}));
  for (std::string_view name : SplitPattern::names()) {
    std::string bytes = random_bytes(20000, 7);
    EXPECT_EQ(joined(split(name, bytes)), bytes) << name;
  }
  EXPECT_EQ(split("cl100k", ""), Pieces{});
}

TEST(SplitPattern, TheHandWrittenSplitEqualsTheExpression) {
  const std::vector<std::string> parts = {
      "a", "s", "S", "RE", "'", "'ll", "T", "9", " ", "  ", "\n", "\r", "\t", ".", "/", "\v", "\f", "é", "É",
      "ſ", "1", "²", "x", "!", "\u00a0", "\u3000", "\xff", "\x7f", "\x1c", "´", "日",
      // Runs about as long as the eight bytes that are looked at together.
      "seven", " letters", "Capital", "abcdefgh", "ABCDEFGH", "z{", "@Z", "[a", "`", "123456789", "/:"};
  for (std::string_view name : SplitPattern::names()) {
    SplitPattern pattern = SplitPattern::named(name);
    for (uint64_t seed = 0; seed < 300; ++seed) {
      std::string text = random_text(parts, 60, seed);
      ASSERT_EQ(split(pattern, text), split(pattern.without_hand(), text)) << name << " seed " << seed;
    }
  }
}

TEST(SplitPattern, MillionsOfOneCharacterTakeNoTime) {
  for (std::string_view name : SplitPattern::names()) {
    for (std::string unit : {"É", "é", " ", "\n", "\u3000", "!", "日", "\xff"}) {
      std::string text;
      for (int i = 0; i < 200000; ++i) text += unit;
      text += "é";
      EXPECT_EQ(joined(split(name, text)), text) << name << " " << unit;
    }
  }
}

TEST(SplitPattern, AnyExpressionKeepsWhatItDoesNotMatch) {
  SplitPattern digits("[0-9]+", "test");
  EXPECT_EQ(split(digits, "ab12cd3"), (Pieces{"ab", "12", "cd", "3"}));
  SplitPattern perhaps("x*", "test");
  EXPECT_EQ(split(perhaps, "axxb"), (Pieces{"a", "xx", "b"}));
  SplitPattern line_start("^a", "test");
  EXPECT_EQ(split(line_start, "aa\nab"), (Pieces{"a", "a\n", "a", "b"}));
}

TEST(SplitPattern, RefusesWhatItCanNotUse) {
  EXPECT_THROW(SplitPattern::named("gpt5"), Error);
  EXPECT_THROW(SplitPattern("(", "test"), Error);
  EXPECT_THROW(SplitPattern("\\C", "test"), Error);
  EXPECT_THROW(SplitPattern(std::string(100000, 'a'), "test"), Error);
  EXPECT_THROW(split(SplitPattern("(a+)+$", "test"), std::string(64, 'a') + "!"), Error);
}

TEST(Splitter, EachExpressionCutsThePiecesOfTheOneBefore) {
  Splitter splitter({"[0-9]", "b+"}, "test");
  auto matchers = splitter.matchers();
  Pieces pieces;
  splitter.split("abb12bc", matchers, [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_EQ(pieces, (Pieces{"a", "bb", "1", "2", "b", "c"}));
}

TEST(Splitter, WithoutExpressionsTextIsOnePiece) {
  Splitter splitter({}, "test");
  auto matchers = splitter.matchers();
  Pieces pieces;
  splitter.split("a b", matchers, [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_EQ(pieces, (Pieces{"a b"}));
}

}  // namespace
}  // namespace sextant::data::split_pattern_test
