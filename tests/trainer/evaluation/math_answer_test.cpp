#include "trainer/evaluation/math_answer.h"

#include <gtest/gtest.h>

namespace sextant::trainer::math_answer_test {
namespace {

TEST(MathAnswer, TheLastBoxIsTheAnswer) {
  EXPECT_EQ(boxed_answer("so \\boxed{1}, no: $\\boxed{\\frac{1}{2}}$."), "\\frac{1}{2}");
  EXPECT_EQ(boxed_answer("\\boxed{a} then \\fbox{b{c}d}"), "b{c}d");
  EXPECT_EQ(boxed_answer("$\\boxed 12$ indeed"), "12");
  EXPECT_EQ(boxed_answer("\\boxed{}"), "");
  EXPECT_EQ(boxed_answer("no box, 12"), std::nullopt);
  EXPECT_EQ(boxed_answer("\\boxed{1}, then \\boxed{\\frac{1}{2}"), std::nullopt) << "its braces do not close";
  EXPECT_EQ(boxed_answer("\\boxed"), std::nullopt);
}

TEST(MathAnswer, EqualOnesAreWrittenAlike) {
  const std::pair<const char*, const char*> equal[] = {{"\\dfrac12", "\\frac{1}{2}"},
                                                       {"0.5", "\\tfrac{1}{2}"},
                                                       {"1/2", "\\frac12"},
                                                       {"-3/4", "\\frac{-3}{4}"},
                                                       {"\\frac1{72}", "\\frac{1}{72}"},
                                                       {"\\sqrt3", "\\sqrt{3}"},
                                                       {"2\\sqrt3+\\sqrt5", "2\\sqrt{3} + \\sqrt{5}"},
                                                       {".5x", "0.5x"},
                                                       {"x=5", "5"},
                                                       {"k = -2", "-2"},
                                                       {"\\left( 1, 2 \\right)", "(1,2)"},
                                                       {"10\\%", "10"},
                                                       {"\\$5", "5"},
                                                       {"90^\\circ", "90^{\\circ}"},
                                                       {"12\\text{ cm}", "12"},
                                                       {"10{,}000\\!", "10{,}000"}};
  for (const auto& [one, other] : equal) EXPECT_EQ(normal_math(one), normal_math(other)) << one;
  const std::pair<const char*, const char*> different[] = {
      {"12", "2"},    {"\\text{East}", "\\text{West}"}, {"a/b", "\\frac{a}{b}"},
      {"x+y=5", "5"}, {"\\sqrt[3]{2}", "\\sqrt{3}"},    {"(1,2)", "[1,2]"},
      {"0.50", "0.5"}};
  for (const auto& [one, other] : different) EXPECT_NE(normal_math(one), normal_math(other)) << one;
  for (const char* hostile : {"\\frac", "\\frac{", "\\frac{1", "\\sqrt", "\\sqrt\\", "/", "{", "=", "."})
    EXPECT_NO_THROW(normal_math(hostile)) << hostile;
}

TEST(MathAnswer, CompletionsNeedABox) {
  EXPECT_TRUE(math_match("thus $\\boxed{0.5}$.", "The half: \\boxed{\\frac12}"));
  EXPECT_TRUE(math_match("\\boxed{7}", "7")) << "a target may be the answer alone";
  EXPECT_FALSE(math_match("7", "7"));
  EXPECT_FALSE(math_match("\\boxed{7} or \\boxed{8}", "\\boxed{7}"));
}

}  // namespace
}  // namespace sextant::trainer::math_answer_test
