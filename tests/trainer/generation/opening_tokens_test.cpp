#include "trainer/generation/opening_tokens.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "parallel/base/error.h"

namespace sextant::trainer::opening_tokens_test {
namespace {

using Ids = std::vector<int32_t>;

data::Tokenizer tokenizer(const char* post_processor) {
  return data::Tokenizer::from_json(
      fmt::format(R"({{"model": {{"type": "BPE", "vocab": {{"a": 0, "b": 1, "ab": 2}}, "merges": ["a b"]}},
          "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}},
          "decoder": {{"type": "ByteLevel"}}, "post_processor": {},
          "added_tokens": [{{"id": 3, "content": "<s>", "special": true}},
                           {{"id": 4, "content": "<begin>", "special": true}}]}})",
                  post_processor),
      "small");
}

// As Llama 3's file has it.
constexpr const char* kTemplate = R"({"type": "Sequence", "processors": [
    {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
    {"type": "TemplateProcessing",
     "single": [{"SpecialToken": {"id": "<begin>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 0}}],
     "pair": [], "special_tokens": {"<begin>": {"id": "<begin>", "ids": [4], "tokens": ["<begin>"]},
                                    "<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}}}]})";

TEST(OpeningTokens, AreWhatTheFileHasBeforeAText) {
  EXPECT_EQ(opening_tokens(tokenizer("null"), "", "c"), Ids{});
  EXPECT_EQ(opening_tokens(tokenizer(R"({"type": "ByteLevel", "trim_offsets": false})"), "", "c"), Ids{});
  EXPECT_EQ(opening_tokens(tokenizer(kTemplate), "", "c"), Ids{4});
  EXPECT_EQ(opening_tokens(tokenizer(kTemplate), R"({"tokenizer_class": "PreTrainedTokenizerFast"})", "c"),
            Ids{4});
  EXPECT_EQ(tokenizer(kTemplate).encode("ab"), Ids{2}) << "encode leaves them to the caller";
}

TEST(OpeningTokens, LlamasClassGoesByItsOwnSettings) {
  auto fast = tokenizer(kTemplate);
  EXPECT_EQ(opening_tokens(fast, R"({"tokenizer_class": "LlamaTokenizer"})", "c"), Ids{3});
  EXPECT_EQ(opening_tokens(fast, R"({"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<begin>"})", "c"),
            Ids{4});
  EXPECT_EQ(opening_tokens(
                fast, R"({"tokenizer_class": "LlamaTokenizer", "bos_token": {"content": "<begin>"}})", "c"),
            Ids{4});
  EXPECT_EQ(opening_tokens(fast, R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false})", "c"),
            Ids{});
}

TEST(OpeningTokens, WhatCanNotBeIsRefused) {
  EXPECT_THROW(opening_tokens(tokenizer("null"), "[", "c"), Error);
  EXPECT_THROW(
      opening_tokens(tokenizer("null"), R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "a"})", "c"),
      Error);
  for (const char* bad :
       {R"({"type": "TemplateProcessing"})",
        R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}], "special_tokens": {}})",
        R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}],
            "special_tokens": {"x": {"ids": [5]}}})",
        R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}],
            "special_tokens": {"x": {"ids": [-1]}}})"})
    EXPECT_THROW(tokenizer(bad), Error) << bad;
}

}  // namespace
}  // namespace sextant::trainer::opening_tokens_test
