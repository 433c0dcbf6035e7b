#include "trainer/generation/stop_tokens.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"

namespace sextant::trainer::stop_tokens_test {
namespace {

data::Tokenizer tokenizer() {
  return data::Tokenizer::from_json(
      R"({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
          "decoder": {"type": "ByteLevel"},
          "added_tokens": [{"id": 3, "content": "<|endoftext|>", "special": true},
                           {"id": 4, "content": "<|im_end|>", "special": true}]})",
      "small");
}

using Ids = std::vector<int32_t>;

TEST(StopTokens, AreTheTokenizersEndAndWhatTheModelBrought) {
  EXPECT_EQ(stop_tokens(tokenizer(), "", "c"), (Ids{3}));
  EXPECT_EQ(stop_tokens(tokenizer(), "{}", "c"), (Ids{3}));
  EXPECT_EQ(stop_tokens(tokenizer(), R"({"eos_token_id": null})", "c"), (Ids{3}));
  EXPECT_EQ(stop_tokens(tokenizer(), R"({"eos_token_id": 4})", "c"), (Ids{3, 4}));
  EXPECT_EQ(stop_tokens(tokenizer(), R"({"eos_token_id": [4, 3, 2]})", "c"), (Ids{3, 4, 2}));
}

TEST(StopTokens, RefuseWhatIsNoIdOfTheVocabulary) {
  for (const char* bad :
       {R"({"eos_token_id": 5})", R"({"eos_token_id": -1})", R"({"eos_token_id": "4"})",
        R"({"eos_token_id": [1.5]})", R"({"eos_token_id": 18446744073709551615})", "[]", "{", "\xff"})
    EXPECT_THROW(stop_tokens(tokenizer(), bad, "c"), Error) << bad;
  // Deep enough to run out of stack where lists are followed by recursion.
  std::string deep = R"({"eos_token_id": )" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
  EXPECT_THROW(stop_tokens(tokenizer(), deep, "c"), Error);
}

}  // namespace
}  // namespace sextant::trainer::stop_tokens_test
