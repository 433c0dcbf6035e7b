#include "data/text_pattern.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"

namespace sextant::data::text_pattern_test {
namespace {

TEST(TextPattern, FindsAndReplaces) {
  TextPattern pattern("a(b)?(c)?");
  EXPECT_EQ(pattern.find("xacxab", TextPattern::Pick::kFirst), "c") << "the first group that took part";
  EXPECT_EQ(pattern.find("xacxa", TextPattern::Pick::kLast), "a") << "no group did";
  EXPECT_EQ(pattern.find("x", TextPattern::Pick::kLast), std::nullopt);
  EXPECT_EQ(TextPattern("b*").find("ab", TextPattern::Pick::kLast), "") << "empty matches end";
  EXPECT_EQ(pattern.replace("ab-ac", "$1"), "$1-$1") << "as it stands";
  EXPECT_EQ(TextPattern("a").replace(std::string(100, 'a'), "bcd").size(), 300u);
}

TEST(TextPattern, MatchesAnywhereAndNothingThatIsNoText) {
  TextPattern pattern("b\\w$");
  EXPECT_TRUE(pattern.matches("aab\xc3\xa9")) << "a letter of two bytes";
  EXPECT_FALSE(pattern.matches("aab\xc3"));
  EXPECT_FALSE(pattern.matches(""));
}

TEST(TextPattern, SaysWhatItCanNotDo) {
  auto refusal = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal([] { TextPattern("a("); }).find("is wrong at character 2"), std::string::npos);
  // More ways to cut 60 letters than PCRE2 is willing to try.
  EXPECT_NE(refusal([] {
              TextPattern("(?:a|a?)+(?:a|a?)+b\\1?()").matches(std::string(60, 'a'));
            }).find("give a simpler one"),
            std::string::npos);
}

}  // namespace
}  // namespace sextant::data::text_pattern_test
