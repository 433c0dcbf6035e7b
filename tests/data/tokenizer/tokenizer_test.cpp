#include "data/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "data/tokenizer/bpe_training.h"
#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/split_pattern.h"
#include "parallel/base/error.h"
#include "tests/data/tokenizer/small_definition.h"
#include "tests/harness/checkout.h"

namespace sextant::data::tokenizer_test {
namespace {

std::string prose() {
  return random_text({"the ", "sea ", "and ", "stars ", "navigate ", "by ", "night, ", "don't ", "12 ",
                      "degrees\n", "élan ", "日本 ", "🙂 "},
                     3000, 3);
}

Tokenizer trained(const std::string& pattern = "cl100k") {
  BpeTrainingSettings settings;
  settings.vocabulary = 400;
  settings.pattern = pattern;
  settings.special = {"<|endoftext|>", "<|user|>", "<|user|>s"};
  bool given = false;
  auto definition = train_bpe(
      settings, [&](std::string& text) { return text = prose(), !std::exchange(given, true); },
      [](int32_t, int32_t) {});
  return Tokenizer::from_json(write_tokenizer_json(definition), "trained");
}

TEST(Tokenizer, AnyBytesComeBack) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  std::vector<std::string> texts = {
      "",     " ",    "\n\n \t",  prose(),        every_byte,      "🙂👩‍👩‍👧‍👦é\u0301",
      "a\0b", "\xff", "\xe2\x82", "\xed\xa0\x80", "<|endoftext|>", std::string(3, '\0')};
  for (uint64_t seed = 0; seed < 40; ++seed) texts.push_back(random_bytes(seed * 50, seed));
  for (std::string_view pattern : SplitPattern::names()) {
    Tokenizer tokenizer = trained(std::string(pattern));
    for (const std::string& text : texts) {
      auto ids = tokenizer.encode(text);
      ASSERT_EQ(tokenizer.decode(ids), text) << pattern;
      for (int32_t id : ids) ASSERT_TRUE(id >= 0 && id < tokenizer.vocabulary());
    }
  }
}

TEST(Tokenizer, TrainedWordsAreFewTokens) {
  Tokenizer tokenizer = trained();
  EXPECT_LT(tokenizer.encode(prose()).size() * 3, prose().size());
  EXPECT_EQ(tokenizer.encode("navigate navigate").size(), 2u);
}

TEST(Tokenizer, EncodingAppends) {
  Tokenizer tokenizer = trained();
  std::vector<int32_t> ids = {7};
  tokenizer.encode("the sea", ids);
  auto alone = tokenizer.encode("the sea");
  alone.insert(alone.begin(), 7);
  EXPECT_EQ(ids, alone);
}

TEST(Tokenizer, TheCacheChangesNothing) {
  Tokenizer warm = trained();
  const std::vector<std::string> parts = {"the",  " sea", "s",          "star", " 12", "é",
                                          "\xff", "qx",   "zzzzzzzzzz", "'t",   "\n"};
  for (uint64_t seed = 0; seed < 5; ++seed) {
    std::string text = random_text(parts, 400, seed);
    auto first = warm.encode(text);
    EXPECT_EQ(first, warm.encode(text));
    EXPECT_EQ(first, trained().encode(text));
  }
}

TEST(Tokenizer, SpecialTokensAreTextUnlessAskedFor) {
  Tokenizer tokenizer = trained();
  std::string text = "<|user|>the<|user|>s<|endoftext|>";
  auto plain = tokenizer.encode(text);
  for (int32_t id : plain) EXPECT_LT(id, *tokenizer.special("<|endoftext|>"));
  EXPECT_EQ(tokenizer.decode(plain), text);

  std::vector<int32_t> ids;
  tokenizer.encode(text, ids, SpecialText::kRecognised);
  std::vector<int32_t> expected = {*tokenizer.special("<|user|>")};
  tokenizer.encode("the", expected);
  expected.push_back(*tokenizer.special("<|user|>s"));  // the longer of two that start together
  expected.push_back(*tokenizer.end_of_text());
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(tokenizer.decode(ids), text);
  EXPECT_EQ(tokenizer.special("<|nobody|>"), std::nullopt);
}

TEST(Tokenizer, IdsOutsideAreErrors) {
  Tokenizer tokenizer = trained();
  for (int32_t id : {-1, tokenizer.vocabulary(), INT32_MAX, INT32_MIN}) {
    EXPECT_THROW(tokenizer.decode(std::vector<int32_t>{5, id}), Error) << id;
    EXPECT_THROW(tokenizer.token_bytes(id), Error) << id;
  }
  EXPECT_EQ(tokenizer.token_bytes('a'), "a");
}

TEST(Tokenizer, TheFingerprintFollowsTheIds) {
  Tokenizer tokenizer = trained();
  EXPECT_EQ(tokenizer.fingerprint(), Tokenizer::from_json(tokenizer.to_json(), "again").fingerprint());
  EXPECT_EQ(tokenizer.to_json(), Tokenizer::from_json(tokenizer.to_json(), "again").to_json());
  EXPECT_NE(tokenizer.fingerprint(), trained("gpt2").fingerprint());
  auto definition = read_tokenizer_json(tokenizer.to_json(), "again");
  std::swap(definition.merges[3], definition.merges[20]);
  EXPECT_NE(tokenizer.fingerprint(),
            Tokenizer::from_json(write_tokenizer_json(definition), "swapped").fingerprint());
}

TEST(Tokenizer, ThreadsMayShareIt) {
  const Tokenizer tokenizer = trained();
  const std::string text = prose();
  const auto expected = tokenizer.encode(text);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) count += tokenizer.encode(text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Tokenizer, LongRunsTakeNoTime) {
  Tokenizer tokenizer = trained();
  for (std::string unit : {"a", "é", " ", "\n", "the", "!", "🙂", "\xff", "1"}) {
    std::string text;
    while (text.size() < 300000) text += unit;
    auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    // A quadratic merge of 300 KB takes minutes; n log n takes 20 ms, sanitizers and busy machines included
    // below this.
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << unit;
  }
}

TEST(Tokenizer, AMissingFileIsNamed) {
  try {
    Tokenizer::load("no/such/tokenizer.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no/such/tokenizer.json"), std::string::npos);
  }
}

// tests/golden/tokenizer/make_golden.py wrote these ids with Hugging Face's tokenizers.
TEST(Tokenizer, GivesTheIdsOfHuggingFace) {
  const std::filesystem::path folder = harness::checkout() / "tests/golden/tokenizer";
  std::ifstream file(folder / "ids.json");
  auto golden = nlohmann::json::parse(file);
  size_t compared = 0;
  for (const auto& [name, texts] : golden.items()) {
    Tokenizer tokenizer = Tokenizer::load(folder / name);
    for (const auto& entry : texts) {
      auto text = entry["text"].get<std::string>();
      EXPECT_EQ(tokenizer.encode(text), entry["ids"].get<std::vector<int32_t>>()) << name << ": " << text;
      std::vector<int32_t> ids;
      tokenizer.encode(text, ids, SpecialText::kRecognised);
      EXPECT_EQ(ids, entry["ids_with_special"].get<std::vector<int32_t>>()) << name << ": " << text;
      ++compared;
    }
  }
  EXPECT_GE(compared, 40u);
}

}  // namespace
}  // namespace sextant::data::tokenizer_test
