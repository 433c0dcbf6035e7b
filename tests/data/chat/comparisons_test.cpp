#include "data/chat/comparisons.h"

#include <gtest/gtest.h>

#include "data/chat/comparison_set.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::comparisons_test {
namespace {

std::vector<Comparison> read_all(const std::filesystem::path& path) {
  std::vector<Comparison> all;
  read_comparisons(path, ChatSettings::refuse, [&](Comparison one) { all.push_back(std::move(one)); });
  return all;
}

TEST(Comparisons, AreReadInEachForm) {
  ScratchFolder folder;
  auto file = folder.write(
      "a.jsonl", R"({"prompt": "p", "chosen": "c", "rejected": "r", "margin": 0.5})"
                 "\n"
                 R"({"chosen": "\n\nHuman: h\n\nAssistant: a\n\nHuman: b\n\nAssistant: good",)"
                 R"( "rejected": "\n\nHuman: h\n\nAssistant: a\n\nHuman: b\n\nAssistant: bad"})"
                 "\n"
                 R"({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],)"
                 R"( "responses": ["x", "y", "z"], "ranks": [2, 1, 2]})"
                 "\n");
  std::vector<Comparison> all = read_all(file);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].prompt, (Conversation{{Role::kUser, "p"}}));
  EXPECT_EQ(all[0].margin, 0.5);
  EXPECT_LT(all[0].answers[0].rank, all[0].answers[1].rank);
  EXPECT_EQ(all[1].prompt.size(), 3u);
  EXPECT_EQ(all[1].answers[0].text, "good");
  EXPECT_EQ(all[1].answers[1].text, "bad");
  EXPECT_EQ(all[2].prompt[0].role, Role::kSystem);
  EXPECT_EQ(all[2].answers[1].rank, 1);
}

TEST(Comparisons, SayWhatIsWrongWithALine) {
  ScratchFolder folder;
  const std::pair<const char*, const char*> kBad[] = {
      {R"({"prompt": "p", "chosen": "c"})", "\"rejected\" is missing"},
      {R"({"prompt": "p", "chosen": "c", "rejected": "c"})", "better and worse than itself"},
      {R"({"prompt": "p", "chosen": "c", "rejected": " "})", "an answer is empty"},
      {R"({"prompt": "p", "chosen": "c", "rejected": "r", "margin": "big"})", "no finite number"},
      {R"({"prompt": "p", "responses": ["a", "b"], "ranks": [1, 1]})", "all answers have the same rank"},
      {R"({"prompt": "p", "responses": ["a", "b"], "ranks": [1]})", "two lists of the same length"},
      {R"({"prompt": "p", "responses": [], "ranks": []})", "there are 0 answers"},
      {R"({"prompt": "p", "responses": ["a", 2], "ranks": [1, 2]})", "no text"},
      {R"({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: d"})",
       "differ before the last answer"},
      {R"({"text": "x"})", "the object has neither"},
  };
  for (const auto& [line, what] : kBad) {
    auto path = folder.write("bad.jsonl", line);
    std::string message = message_of([&] { read_all(path); });
    expect_has(message, "bad.jsonl:1: ");
    expect_has(message, what);
  }
}

TEST(ComparisonRows, MarkTheLastTokenOfEachAnswer) {
  ScratchFolder folder;
  Tokenizer tokenizer = byte_tokenizer();
  ChatTemplate chat(ChatSettings(), tokenizer, "");
  // "User: p\n\nAssistant:" 19 ids, " c" and the end 3: 22 an answer.
  auto file = folder.write("a.jsonl", R"({"prompt": "p", "chosen": "c", "rejected": "r", "margin": 0.5})"
                                      "\n"
                                      R"({"prompt": "q", "responses": ["x", "y"], "ranks": [7, 3]})"
                                      "\n");
  auto set =
      std::make_shared<ComparisonSet>(ComparisonSet::of_comparisons({file}, ChatSettings(), chat, 100));
  ComparisonRows rows(set, {0, 2}, 100);
  ASSERT_EQ(rows.count(), 1);
  Batch batch = empty_batch(1, 100, Boundaries::kReset, kComparisonColumns);
  rows.fill(0, slot_of(batch, 0));
  for (size_t i = 0; i < 100; ++i) {
    bool end = i == 21 || i == 43 || i == 65 || i == 87;
    EXPECT_EQ(batch.loss_mask[i], end ? 1 : 0) << i;
    if (end) {
      EXPECT_EQ(batch.tokens[i], 256) << "the end of text";
    }
  }
  const auto& columns = batch.columns;
  EXPECT_EQ(columns[kGroupColumn][43], 0);
  EXPECT_EQ(columns[kGroupColumn][65], 1);
  EXPECT_EQ(columns[kRankColumn][65], 7);
  EXPECT_EQ(columns[kRankColumn][87], 3);
  EXPECT_EQ(columns[kMarginColumn][21], 0.5);
  EXPECT_EQ(columns[kMarginColumn][87], 0);
  EXPECT_EQ(batch.positions[22], 0) << "each answer reads its prompt anew";
  EXPECT_EQ(batch.documents[88], 4);
}

TEST(ComparisonSet, KeepsAPromptTogetherOrLeavesItOut) {
  ScratchFolder folder;
  Tokenizer tokenizer = byte_tokenizer();
  ChatSettings settings;
  ChatTemplate chat(settings, tokenizer, "");
  auto file = folder.write("a.jsonl", R"({"prompt": "p", "responses": ["a", "b", "c"], "ranks": [1, 2, 3]})"
                                      "\n"
                                      R"({"prompt": "p", "responses": ["a", "b"], "ranks": [1, 2]})"
                                      "\n");
  ComparisonSet set = ComparisonSet::of_comparisons({file}, settings, chat, 50);
  EXPECT_EQ(set.size(), 1);
  EXPECT_EQ(set.counts().too_long, 1);
  settings.set_on_too_long(ChatSettings::refuse_conversation);
  expect_has(message_of([&] { ComparisonSet::of_comparisons({file}, settings, chat, 50); }),
             "a.jsonl:1: the prompt with its 3 answers has 66 tokens");
  settings.set_on_too_long(ChatSettings::skip_conversation);
  expect_has(message_of([&] { ComparisonSet::of_comparisons({file}, settings, chat, 20); }),
             "nothing to compare");
  EXPECT_EQ(tokenizer.decode(set.best({0, 1}).answers(0)[0].ids), "User: p\n\nAssistant: a<|endoftext|>");
}

}  // namespace
}  // namespace sextant::data::comparisons_test
