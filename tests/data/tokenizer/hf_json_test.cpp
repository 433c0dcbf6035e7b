#include "data/tokenizer/hf_json.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "tests/data/tokenizer/small_definition.h"

namespace sextant::data::hf_json_test {
namespace {

using Json = nlohmann::json;

TokenizerDefinition small() {
  auto definition = definition_with({{"t", "h"}, {"th", "e"}, {" ", "the"}, {"a", "b"}, {"\xff", "\n"}});
  definition.expressions = {SplitPattern::named("cl100k").regex()};
  definition.added = {{261, "<|endoftext|>", AddedToken::Kind::kSpecial},
                      {262, "  ", AddedToken::Kind::kOrdinary}};
  definition.tokens.insert(definition.tokens.end(), {"<|endoftext|>", "  "});
  return definition;
}

Json small_json() {
  return Json::parse(write_tokenizer_json(small()));
}

Tokenizer from(const Json& json) {
  return Tokenizer::from_json(json.dump(), "T.json");
}

TEST(HfJson, WhatIsWrittenIsReadBack) {
  auto before = small();
  before.opening = {261};
  auto after = read_tokenizer_json(write_tokenizer_json(before), "T.json");
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(after.expressions, before.expressions);
  EXPECT_EQ(after.whole_pieces, before.whole_pieces);
  ASSERT_EQ(after.merges.size(), before.merges.size());
  for (size_t i = 0; i < after.merges.size(); ++i) EXPECT_EQ(after.merges[i].result, before.merges[i].result);
  ASSERT_EQ(after.added.size(), 2u);
  EXPECT_EQ(after.added[1].kind, AddedToken::Kind::kOrdinary);
  EXPECT_EQ(after.opening, before.opening);
  EXPECT_EQ(write_tokenizer_json(after), write_tokenizer_json(before));
}

TEST(HfJson, MergesMayBeStringsOrPairs) {
  Json pairs = small_json(), strings = pairs;
  for (Json& merge : strings["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  EXPECT_EQ(from(pairs).fingerprint(), from(strings).fingerprint());
  EXPECT_EQ(from(strings).encode("see the"), from(pairs).encode("see the"));
}

TEST(HfJson, ByteLevelAloneMeansGpt2) {
  Json json = small_json();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  EXPECT_EQ(read_tokenizer_json(json.dump(), "T.json").expressions,
            std::vector<std::string>{SplitPattern::named("gpt2").regex()});
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(from(json).decode(from(json).encode("the")), " the");
  EXPECT_EQ(from(json).encode("the"), (std::vector<int32_t>{258}));
  EXPECT_EQ(from(json).encode(" the"), (std::vector<int32_t>{258}));
}

TEST(HfJson, SequencesOfSplitsAndDigits) {
  Json json = small_json();
  json["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Digits", "individual_digits": true},
      {"type": "Split", "pattern": {"String": "a.b"}, "behavior": "Isolated", "invert": false},
      {"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Removed", "invert": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
  EXPECT_EQ(read_tokenizer_json(json.dump(), "T.json").expressions,
            (std::vector<std::string>{"\\p{N}", "a\\.b", "[a-z]+"}));
}

TEST(HfJson, AddedTokensMayStandInTheVocabularyAsWell) {
  Json json = small_json();
  json["model"]["vocab"]["<|endoftext|>"] = 261;
  EXPECT_EQ(from(json).special("<|endoftext|>"), 261);
  EXPECT_EQ(from(json).vocabulary(), 263);
}

// What is wrong, and words that the message has to hold.
struct Damage {
  const char* name;
  std::function<void(Json&)> apply;
  std::vector<std::string> words;
};

std::vector<Damage> damages() {
  auto model = [](Json& json) -> Json& { return json["model"]; };
  return {
      {"no model", [](Json& j) { j.erase("model"); }, {"T.json", "model", "missing"}},
      {"model of another kind",
       [=](Json& j) { model(j)["type"] = "WordPiece"; },
       {"model.type", "WordPiece"}},
      {"no vocabulary", [=](Json& j) { model(j).erase("vocab"); }, {"model", "vocab", "missing"}},
      {"vocabulary is a list",
       [=](Json& j) { model(j)["vocab"] = Json::array(); },
       {"model.vocab", "object"}},
      {"empty vocabulary",
       [=](Json& j) {
         model(j)["vocab"] = Json::object(), model(j)["merges"] = Json::array(), j.erase("added_tokens");
       },
       {"model.vocab", "empty"}},
      {"hole",
       [=](Json& j) { model(j)["vocab"]["ab"] = 2 * 263; },
       {"model.vocab", "526", "263", "left out"}},
      {"id beyond", [=](Json& j) { model(j)["vocab"]["ab"] = 70000; }, {"model.vocab", "70000", "263"}},
      {"negative id", [=](Json& j) { model(j)["vocab"]["ab"] = -1; }, {"model.vocab", "-1"}},
      {"absurd id",
       [=](Json& j) { model(j)["vocab"]["ab"] = 4000000000000LL; },
       {"model.vocab", "4000000000000"}},
      {"id is text", [=](Json& j) { model(j)["vocab"]["ab"] = "7"; }, {"model.vocab", "'ab'", "number"}},
      {"id is a fraction", [=](Json& j) { model(j)["vocab"]["ab"] = 7.5; }, {"model.vocab", "number"}},
      {"two tokens, one id", [=](Json& j) { model(j)["vocab"]["ab"] = 256; }, {"model.vocab", "256", "both"}},
      {"no merges", [=](Json& j) { model(j).erase("merges"); }, {"merges", "missing"}},
      {"absent token",
       [=](Json& j) {
         model(j)["merges"][2] = {"q", "zz"};
       },
       {"merges[2]", "zz"}},
      {"absent result",
       [=](Json& j) {
         model(j)["merges"][1] = {"q", "z"};
       },
       {"merges[1]", "qz"}},
      {"three in a merge",
       [=](Json& j) {
         model(j)["merges"][0] = {"q", "z", "y"};
       },
       {"merges[0]", "3"}},
      {"number in a merge",
       [=](Json& j) {
         model(j)["merges"][0] = {"q", 3};
       },
       {"merges[0][1]", "string"}},
      {"merge without a space", [=](Json& j) { model(j)["merges"][0] = "th"; }, {"merges[0]", "space"}},
      {"merge given twice",
       [=](Json& j) {
         model(j)["merges"][3] = {"t", "h"};
       },
       {"merges[3]", "0"}},
      {"dropout", [=](Json& j) { model(j)["dropout"] = 0.1; }, {"model.dropout"}},
      {"unknown token", [=](Json& j) { model(j)["unk_token"] = "<unk>"; }, {"model.unk_token"}},
      {"byte fallback", [=](Json& j) { model(j)["byte_fallback"] = true; }, {"byte_fallback"}},
      {"flag is text",
       [=](Json& j) { model(j)["ignore_merges"] = "yes"; },
       {"ignore_merges", "true or false"}},
      {"normalizer",
       [](Json& j) {
         j["normalizer"] = {{"type", "BertNormalizer"}};
       },
       {"normalizer", "BertNormalizer"}},
      {"normalizer with an expression",
       [](Json& j) {
         j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", " +"}}}, {"content", " "}};
       },
       {"normalizer.pattern.Regex"}},
      {"decoder",
       [](Json& j) {
         j["decoder"] = {{"type", "Metaspace"}};
       },
       {"decoder", "Metaspace"}},
      {"version", [](Json& j) { j["version"] = "9"; }, {"version", "9"}},
      {"no pre-tokenizer", [](Json& j) { j["pre_tokenizer"] = nullptr; }, {"model", "ByteLevel"}},
      {"other pre-tokenizer",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Whitespace"}};
       },
       {"Whitespace"}},
      {"not byte level",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Digits"}, {"individual_digits", true}};
       },
       {"pre_tokenizer", "ByteLevel"}},
      {"bad expression",
       [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "("; },
       {"pre_tokenizer", "compile"}},
      {"behavior",
       [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Contiguous"; },
       {"pretokenizers[0].behavior", "Contiguous"}},
      {"added token elsewhere in the vocabulary",
       [](Json& j) { j["added_tokens"][0]["content"] = "ab"; },
       {"added_tokens[0]", "259", "261"}},
      {"added token twice", [](Json& j) { j["added_tokens"][1]["id"] = 261; }, {"added_tokens", "261"}},
      {"added token without id",
       [](Json& j) { j["added_tokens"][1].erase("id"); },
       {"added_tokens[1]", "id"}},
      {"empty added token",
       [](Json& j) { j["added_tokens"][1]["content"] = ""; },
       {"added_tokens[1]", "empty"}},
  };
}

TEST(HfJson, DamageIsNamed) {
  for (const Damage& damage : damages()) {
    Json json = small_json();
    damage.apply(json);
    try {
      from(json);
      ADD_FAILURE() << damage.name << ": was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput) << damage.name;
      std::string message = error.what();
      EXPECT_EQ(message.find("T.json: "), 0u) << damage.name << ": " << message;
      for (const std::string& word : damage.words) {
        EXPECT_NE(message.find(word), std::string::npos)
            << damage.name << ": '" << word << "' not in: " << message;
      }
    }
  }
}

TEST(HfJson, ATokenGivenTwiceIsNamed) {
  std::string json = small_json().dump();
  size_t at = json.find("\"ab\":259");
  ASSERT_NE(at, std::string::npos);
  json.insert(at, "\"ab\":259,");
  EXPECT_THROW(Tokenizer::from_json(json, "T.json"), Error);
}

TEST(HfJson, TextThatIsNoJsonIsRefused) {
  std::string whole = small_json().dump();
  const std::vector<std::string> texts = {"",          " ",
                                          "[]",        "3",
                                          "\"a\"",     "null",
                                          "{",         "{}",
                                          "\xff\xfe",  std::string(100000, '['),
                                          whole + "}", std::string("\0\0", 2)};
  for (const std::string& text : texts)
    EXPECT_THROW(Tokenizer::from_json(text, "T.json"), Error) << text.substr(0, 20);
}

TEST(HfJson, EveryTruncationIsRefused) {
  std::string whole = small_json().dump();
  for (size_t length = 0; length < whole.size(); length += 7) {
    ASSERT_THROW(Tokenizer::from_json(whole.substr(0, length), "T.json"), Error) << length;
  }
}

TEST(HfJson, FlippedBitsGiveAnErrorOrAWorkingTokenizer) {
  std::string whole = small_json().dump();
  for (size_t i = 0; i < 1500; ++i) {
    RandomKey key(5, "flip");
    std::string damaged = whole;
    damaged[key.below(whole.size(), 0, i)] ^= static_cast<char>(1 << key.below(8, 1, i));
    try {
      auto tokenizer = Tokenizer::from_json(damaged, "T.json");
      tokenizer.decode(tokenizer.encode("the cat is ab\xff\n  123"));
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace sextant::data::hf_json_test
