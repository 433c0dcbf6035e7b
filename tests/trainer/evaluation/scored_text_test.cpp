#include "trainer/evaluation/scored_text.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"
#include "tests/harness/checkout.h"

namespace sextant::trainer::scored_text_test {
namespace {

class ScoredTexts : public testing::Test {
 protected:
  data::Tokenizer tokenizer_ =
      data::Tokenizer::load(harness::checkout() / "tests/golden/tokenizer/families/smollm2.json");
  TextForm form_{tokenizer_, {}, 64};
};

TEST_F(ScoredTexts, SpacesAtTheEndBelongToTheContinuation) {
  ScoredText plain = scored_pair(form_, "The answer is", " yes");
  ScoredText moved = scored_pair(form_, "The answer is ", "yes");
  EXPECT_EQ(plain.ids, tokenizer_.encode("The answer is yes"));
  EXPECT_EQ(plain.first, tokenizer_.encode("The answer is").size());
  EXPECT_EQ(moved.ids, plain.ids);
  EXPECT_EQ(moved.first, plain.first);
}

TEST_F(ScoredTexts, KeptIdsAreThoseOfTheFrontAlone) {
  std::string front = "One. Two.\n\n";
  ScoredText text = scored_pair(form_, front + "Three", " four", front.size());
  std::vector<int32_t> ids = tokenizer_.encode(front);
  ASSERT_LE(text.kept, ids.size());
  EXPECT_GE(text.kept, ids.size() - 1) << "the last token may go on into what follows";
  EXPECT_TRUE(std::equal(ids.begin(), ids.begin() + static_cast<int64_t>(text.kept), text.ids.begin()));
  EXPECT_EQ(scored_pair(form_, front, "x", front.size()).kept, scored_pair(form_, front, "x").first - 1)
      << "what is measured is predicted from an id that is read with the rest";
}

TEST_F(ScoredTexts, AnEmptyContextIsTheOpeningOrTheEndOfText) {
  ScoredText text = scored_pair(form_, "", "yes");
  ASSERT_TRUE(tokenizer_.end_of_text());
  EXPECT_EQ(text.ids[0], *tokenizer_.end_of_text());
  EXPECT_EQ(text.first, 1u);
  form_.opening = {7};
  EXPECT_EQ(scored_pair(form_, "", "yes").ids[0], 7);
  text = scored_pair(form_, "The", " end");
  EXPECT_EQ(text.ids[0], 7);
  EXPECT_EQ(text.first, 2u);
}

TEST_F(ScoredTexts, TooMuchIsLeftOutInFront) {
  std::string context;
  for (int i = 0; i < 80; ++i) context += " a";
  ScoredText text = scored_pair(form_, context, " b c");
  EXPECT_TRUE(text.truncated);
  EXPECT_EQ(text.ids.size(), 65u) << "64 are read, the last one is measured alone";
  EXPECT_EQ(text.measured(), 2u);
  EXPECT_THROW(scored_pair(form_, "x", context), Error) << "a continuation that is longer than the context";
  EXPECT_THROW(scored_pair(form_, "x", ""), Error);
}

TEST_F(ScoredTexts, WindowsMeasureEachIdOnce) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += " word" + std::to_string(i);
  std::vector<int32_t> ids = tokenizer_.encode(text);
  for (int64_t stride : {0, 16, 64, 1000}) {
    std::vector<int32_t> measured;
    auto windows = rolling_windows(form_, text, stride);
    for (const ScoredText& window : windows) {
      EXPECT_LE(window.ids.size(), 65u);
      measured.insert(measured.end(), window.ids.begin() + static_cast<int64_t>(window.first),
                      window.ids.end());
    }
    EXPECT_EQ(measured, ids) << stride;
    EXPECT_EQ(windows[0].ids[0], *tokenizer_.end_of_text());
    EXPECT_EQ(windows[0].first, 1u);
    // The harness' windows: one id of context but for the last, which reads as much as there is.
    EXPECT_EQ(windows[1].measured(), stride == 16 ? 16u : 64u);
    EXPECT_EQ(windows.back().ids.size(), 65u);
  }
  EXPECT_TRUE(rolling_windows(form_, "", 0).empty());
}

}  // namespace
}  // namespace sextant::trainer::scored_text_test
