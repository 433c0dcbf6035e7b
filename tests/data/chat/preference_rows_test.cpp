#include "data/chat/preference_rows.h"

#include <gtest/gtest.h>

#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::preference_rows_test {
namespace {

TEST(PreferenceRows, CountTheAnswersTokensAndLabelTheirEnds) {
  ScratchFolder folder;
  Tokenizer tokenizer = byte_tokenizer();
  ChatTemplate chat(ChatSettings(), tokenizer, "");
  // "User: p\n\nAssistant:" 19 ids, " c" and the end 3: 22 an answer.
  auto file = folder.write("a.jsonl", R"({"prompt": "p", "chosen": "c", "rejected": "r", "margin": 0.5})"
                                      "\n"
                                      R"({"prompt": "q", "responses": ["x", "yy"], "ranks": [7, 3]})"
                                      "\n");
  auto set =
      std::make_shared<ComparisonSet>(ComparisonSet::of_comparisons({file}, ChatSettings(), chat, 100));
  auto numbers = std::make_shared<AnswerNumbers>(*set);
  ASSERT_EQ(numbers->size(), 4);
  EXPECT_EQ(numbers->index(1, 1), 3);
  const double kNumbers[] = {-1.5, -2.25, -100.123456789012, -7};
  PreferenceRows rows(set, numbers, {0, 2}, 100);
  numbers->fill(kNumbers);
  ASSERT_EQ(rows.count(), 1);
  Batch batch = empty_batch(1, 100, Boundaries::kReset, kPreferenceColumns);
  rows.fill(0, slot_of(batch, 0));
  const size_t kEnds[] = {20, 42, 64, 87};  // the last answer has an id more
  for (size_t i = 0; i < 100; ++i) {
    bool end = std::find(std::begin(kEnds), std::end(kEnds), i) != std::end(kEnds);
    EXPECT_EQ(batch.columns[kEndColumn][i], end ? 1 : 0) << i;
    if (end) {
      EXPECT_EQ(batch.targets[i], 256) << "the end of text";
    }
    bool counts =
        (i >= 18 && i <= 20) || (i >= 40 && i <= 42) || (i >= 62 && i <= 64) || (i >= 84 && i <= 87);
    EXPECT_EQ(batch.loss_mask[i], counts ? 1 : 0) << i;
  }
  EXPECT_EQ(batch.targets[19], 'c');
  EXPECT_EQ(batch.targets[85], 'y');
  EXPECT_EQ(batch.tokens[85], ' ');
  const auto& columns = batch.columns;
  EXPECT_EQ(columns[kPromptColumn][42], 0);
  EXPECT_EQ(columns[kPromptColumn][64], 1);
  EXPECT_EQ(columns[kPreferenceColumn][64], 7);
  EXPECT_EQ(columns[kLeastMarginColumn][20], 0.5);
  EXPECT_EQ(columns[kAnswerColumn][87], 3);
  double back = static_cast<double>(columns[kReferenceColumn][64]) +
                static_cast<double>(columns[kReferenceRestColumn][64]);
  EXPECT_NEAR(back, kNumbers[2], 1e-12) << "two floats hold what fp64 knew, to 48 bits";
  EXPECT_EQ(batch.positions[22], 0) << "each answer reads its prompt anew";
}

}  // namespace
}  // namespace sextant::data::preference_rows_test
