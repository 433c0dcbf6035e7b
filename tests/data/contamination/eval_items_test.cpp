#include "data/contamination/eval_items.h"

#include <gtest/gtest.h>

#include "tests/data/scratch_folder.h"

namespace sextant::data::eval_items_test {
namespace {

TEST(EvalItems, JoinTheTextsOfTheirFields) {
  ScratchFolder folder;
  auto one = folder.write(
      "one.jsonl",
      "{\"question\": \"Why?\", \"choices\": [\"b\", \"a\", 4], \"answer\": true, \"id\": \"q1\"}\n\n"
      "{\"question\": \"How?\", \"choices\": {\"text\": [\"x\"], \"label\": [\"L\"]}}\n");
  auto two = folder.write("two.jsonl", "{\"choices\": {\"text\": \"only\"}}\n");
  std::vector<EvalItem> items = read_eval_items({one, two}, {"question", "choices.text", "choices"});
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].text, "Why?\nb\na\n4");
  EXPECT_EQ(items[1].text, "How?\nx\nx\nL");
  EXPECT_EQ(items[1].index, 1);
  EXPECT_EQ(items[2].file, 1);
  EXPECT_EQ(items[2].index, 0);
}

TEST(EvalItems, FaultsAreNamedWithTheirLine) {
  ScratchFolder folder;
  auto file = folder.write("e.jsonl", "{\"question\": \"a\"}\n{\"query\": \"b\", \"n\": 1}\n");
  std::string message = message_of([&] { read_eval_items({file}, {"question"}); });
  expect_has(message, "e.jsonl:2: there is no text under question; the line has query, n");
  folder.write("e.jsonl", "[1]\n");
  expect_has(message_of([&] { read_eval_items({file}, {"question"}); }),
             "e.jsonl:1: this line is no JSON object");
  folder.write("e.jsonl", "\n");
  expect_has(message_of([&] { read_eval_items({file}, {"question"}); }), "holds no items");
}

}  // namespace
}  // namespace sextant::data::eval_items_test
