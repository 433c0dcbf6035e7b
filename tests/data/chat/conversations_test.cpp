#include "data/chat/conversations.h"

#include <gtest/gtest.h>

#include "data/chat/conversation_rows.h"
#include "data/chat/conversation_set.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::conversations_test {
namespace {

std::vector<Conversation> read(const std::filesystem::path& path, ChatSettings::Fault fault,
                               LineCounts* counts = nullptr) {
  std::vector<Conversation> all;
  LineCounts found =
      read_conversations(path, fault, [&](Conversation one) { all.push_back(std::move(one)); });
  if (counts != nullptr) *counts = found;
  return all;
}

TEST(Conversations, AreReadInEachForm) {
  ScratchFolder folder;
  auto file =
      folder.write("a.jsonl",
                   R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                                            {"role": "assistant", "content": "a"}], "class": "other keys"})"
                   "\n\n");
  // The one above is over two lines: JSON Lines wants one.
  expect_has(message_of([&] { read(file, ChatSettings::refuse); }), "a.jsonl:1: this line is not JSON");
  file = folder.write(
      "b.jsonl", R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, )"
                 R"({"role": "assistant", "content": "a"}], "class": "x"})"
                 "\n\n"
                 R"({"prompt": "p", "response": "r"})"
                 "\n"
                 R"({"chosen": "\n\nHuman: h\n\nwith a gap\n\nAssistant: a\n\nHuman: b \n\nAssistant: c",)"
                 R"( "rejected": "not looked at"})");
  std::vector<Conversation> all = read(file, ChatSettings::refuse);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], (Conversation{{Role::kSystem, "s"}, {Role::kUser, "u"}, {Role::kAssistant, "a"}}));
  EXPECT_EQ(all[1], (Conversation{{Role::kUser, "p"}, {Role::kAssistant, "r"}}));
  EXPECT_EQ(all[2], (Conversation{{Role::kUser, "h\n\nwith a gap"},
                                  {Role::kAssistant, "a"},
                                  {Role::kUser, "b"},
                                  {Role::kAssistant, "c"}}));
}

TEST(Conversations, NameAndCountBadLines) {
  ScratchFolder folder;
  const std::pair<const char*, const char*> kBad[] = {
      {"{", "not JSON"},
      {"[1]", "each line holds an object"},
      {R"({"text": "x"})", "neither"},
      {R"({"prompt": "x", "response": 3})", "\"response\" is of type number"},
      {R"({"prompt": "x", "response": " "})", "message 2, the assistant's, is empty"},
      {R"({"messages": [{"role": "robot", "content": "x"}]})", "\"robot\" is no role"},
      {R"({"messages": [{"role": "user", "content": "x"}]})", "the last message is not the assistant's"},
      {R"({"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]})",
       "may only be the first"},
      {R"({"chosen": "Human: no gap"})", "does not begin with"},
      {"{\"prompt\": \"\xff\", \"response\": \"x\"}", "not JSON"},
  };
  std::string file;
  for (const auto& [line, what] : kBad) {
    std::string good = "{\"prompt\": \"p\", \"response\": \"r\"}\n";
    auto path = folder.write("one.jsonl", good + line + "\n");
    std::string message = message_of([&] { read(path, ChatSettings::refuse); });
    expect_has(message, "one.jsonl:2: ");
    expect_has(message, what);
    file += good + line + "\n";
  }
  LineCounts counts;
  EXPECT_EQ(read(folder.write("all.jsonl", file), ChatSettings::skip, &counts).size(), std::size(kBad));
  EXPECT_EQ(counts.left_out, static_cast<int64_t>(std::size(kBad)));
  expect_has(counts.first_fault, "all.jsonl:2: this line is not JSON");
}

// "User: " + p + "\n\nAssistant:" and " " + r + end of text: 20 ids beside what is said.
std::string line(const std::string& prompt, const std::string& response) {
  return "{\"prompt\": \"" + prompt + "\", \"response\": \"" + response + "\"}\n";
}

TEST(ConversationSet, NeverCutsATurn) {
  ScratchFolder folder;
  Tokenizer tokenizer = byte_tokenizer();
  ChatSettings settings;
  ChatTemplate chat(settings, tokenizer, "");
  std::string long_turns = R"({"messages": [{"role": "system", "content": "S"}, )"
                           R"({"role": "user", "content": "aaaaaaaaaaaaaaaaaaaa"},)"
                           R"( {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},)"
                           R"( {"role": "assistant", "content": "d"}]})"
                           "\n";
  auto file = folder.write("a.jsonl", line("p", "r") + long_turns + line("q", std::string(60, 'x')));
  auto set = [&](ChatSettings::TooLong rule) {
    settings.set_on_too_long(rule);
    return ConversationSet({file}, settings, chat, 40);
  };
  ConversationSet skipped = set(ChatSettings::skip_conversation);
  EXPECT_EQ(skipped.size(), 1);
  EXPECT_EQ(skipped.counts().too_long, 2);
  expect_has(skipped.counts().text(40), "1 conversations; 2 left out, longer than 40 tokens");

  ConversationSet dropped = set(ChatSettings::drop_turns);
  ASSERT_EQ(dropped.size(), 2);
  EXPECT_EQ(dropped.counts().shortened, 1);
  EXPECT_EQ(dropped.counts().too_long, 1);
  EXPECT_EQ(tokenizer.decode(dropped.ids(1)), "System: S\n\nUser: c\n\nAssistant: d<|endoftext|>");

  settings.set_on_bad_line(ChatSettings::skip);
  expect_has(message_of([&] { set(ChatSettings::refuse_conversation); }), "a.jsonl:2: the conversation has");
}

TEST(ConversationSet, SaysWhenNothingIsLeft) {
  ScratchFolder folder;
  Tokenizer tokenizer = byte_tokenizer();
  ChatTemplate chat(ChatSettings(), tokenizer, "");
  auto file = folder.write("a.jsonl", "\n");
  expect_has(message_of([&] { ConversationSet({file}, ChatSettings(), chat, 40); }), "nothing to learn from");
}

TEST(ConversationSet, SplitsFromTheEnd) {
  EXPECT_EQ(split_conversations(10, 0.2, Split::kTrain), (DocumentRange{0, 8}));
  EXPECT_EQ(split_conversations(10, 0.2, Split::kValid), (DocumentRange{8, 10}));
  EXPECT_EQ(split_conversations(2, 0.01, Split::kValid), (DocumentRange{1, 2}));
  expect_has(message_of([&] { split_conversations(1, 0.5, Split::kTrain); }), "can not be split");
}

TEST(ConversationRows, CountWhatTheAssistantSays) {
  ScratchFolder folder;
  Tokenizer tokenizer = byte_tokenizer();
  ChatTemplate chat(ChatSettings(), tokenizer, "");
  auto file = folder.write("a.jsonl", line("p", "r") + line("qq", "ss"));
  auto set =
      std::make_shared<ConversationSet>(std::vector<std::filesystem::path>{file}, ChatSettings(), chat, 50);
  ASSERT_EQ(set->ids(0).size(), 22u);
  ASSERT_EQ(set->ids(1).size(), 24u);
  ConversationRows rows(set, {0, 2}, 49);
  ASSERT_EQ(rows.count(), 1);
  Batch batch = empty_batch(1, 49, Boundaries::kReset);
  rows.fill(0, slot_of(batch, 0));
  std::vector<int32_t> counted;
  for (size_t i = 0; i < 49; ++i) {
    if (batch.loss_mask[i] != 0) counted.push_back(static_cast<int32_t>(batch.targets[i]));
  }
  EXPECT_EQ(tokenizer.decode(counted), " r<|endoftext|> ss<|endoftext|>");
  EXPECT_EQ(batch.positions[22], 0);
  EXPECT_EQ(batch.documents[21], 0);
  EXPECT_EQ(batch.documents[22], 1);
  EXPECT_EQ(batch.documents[48], 2) << "what is left of the row is a document of its own";
  EXPECT_EQ(set->said(), 7);
}

}  // namespace
}  // namespace sextant::data::conversations_test
