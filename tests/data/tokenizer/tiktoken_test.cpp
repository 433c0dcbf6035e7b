#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/tokenizer/tiktoken_ranks.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::tiktoken_test {
namespace {

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    }
    size_t characters = std::min<size_t>(bytes.size() - at, 3) + 1;
    for (size_t i = 0; i < 4; ++i) out += i < characters ? kAlphabet[bits >> (18 - 6 * i) & 0x3f] : '=';
  }
  return out;
}

std::string line(std::string_view token, int rank) {
  return fmt::format("{} {}\n", base64(token), rank);
}

// The 256 bytes and these tokens behind them; an empty one leaves a rank out.
std::string rank_file(const std::vector<std::string>& tokens) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) text += line(std::string(1, static_cast<char>(byte)), byte);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) text += line(tokens[i], 256 + static_cast<int>(i));
  }
  return text;
}

class Tiktoken : public ::testing::Test {
 protected:
  Tokenizer load(const std::string& text, std::string_view pattern = "cl100k") {
    return Tokenizer::load(scratch_.write("t.tiktoken", text), pattern);
  }
  std::string refusal(const std::string& text, std::string_view pattern = "cl100k") {
    try {
      load(text, pattern);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  ScratchFolder scratch_;
};

using Ids = std::vector<int32_t>;

TEST_F(Tiktoken, TheLowestRankOfTheJoinedBytesGoesFirst) {
  // "bc" before "ab"; "abc" comes of "a" and "bc", for which no list of merges would hold a line.
  Tokenizer tokenizer = load(rank_file({"bc", "ab", "abc", "abcd"}));
  EXPECT_EQ(tokenizer.encode("abcx"), (Ids{258, 'x'}));
  EXPECT_EQ(tokenizer.encode("abb"), (Ids{257, 'b'}));
}

TEST_F(Tiktoken, OfEqualRanksTheLeftmostGoesFirst) {
  // "aaaaa" is aa aa a, then aaa can be made at two places that overlap.
  Tokenizer tokenizer = load(rank_file({"aa", "aaa"}));
  EXPECT_EQ(tokenizer.encode("aaaaa"), (Ids{256, 257}));
}

TEST_F(Tiktoken, APieceThatIsATokenIsLookedUp) {
  // No two tokens make "xyz", yet it is one.
  Tokenizer tokenizer = load(rank_file({"xyz"}));
  EXPECT_EQ(tokenizer.encode("xyz"), (Ids{256}));
  EXPECT_EQ(tokenizer.encode("xyzz"), (Ids{'x', 'y', 'z', 'z'}));
}

TEST_F(Tiktoken, RanksMayBeLeftOut) {
  Tokenizer tokenizer = load(rank_file({"ab", "", "cd"}));
  EXPECT_EQ(tokenizer.encode("cd"), (Ids{258}));
  EXPECT_EQ(tokenizer.token_bytes(257), "");
  EXPECT_EQ(tokenizer.decode(Ids{256, 257, 258}), "abcd");
}

TEST_F(Tiktoken, SpecialTokensFollowTheRanksOfAFileThatIsNotThePublishedOne) {
  Tokenizer tokenizer = load(rank_file({"ab"}));
  EXPECT_EQ(tokenizer.special("<|endoftext|>"), 257);
  EXPECT_EQ(tokenizer.special("<|endofprompt|>"), 261);
  EXPECT_EQ(tokenizer.vocabulary(), 262);
  EXPECT_EQ(load(rank_file({"ab"}), "p50k").vocabulary(), 258);
  Tokenizer llama3 = load(rank_file({"ab"}), "llama3");
  EXPECT_EQ(llama3.vocabulary(), 257 + 256);
  EXPECT_EQ(llama3.special("<|eot_id|>"), 257 + 9);
  EXPECT_EQ(llama3.special("<|reserved_special_token_250|>"), 257 + 255);
  EXPECT_EQ(llama3.end_of_text(), 258);
}

TEST_F(Tiktoken, ThePatternIsNamedOrFollowsFromThePublishedName) {
  std::string ranks = rank_file({});
  std::string text = "word\n  ";  // one piece more where a newline ends its piece
  EXPECT_EQ(load(ranks, "cl100k").fingerprint(),
            Tokenizer::load(scratch_.write("cl100k_base.tiktoken", ranks)).fingerprint());
  EXPECT_NE(load(ranks, "cl100k").fingerprint(), load(ranks, "llama3").fingerprint());
  EXPECT_NE(refusal(ranks, "").find("name its pattern, one of"), std::string::npos);
  EXPECT_NE(refusal(ranks, "cl99k").find("no split pattern 'cl99k'"), std::string::npos);
  scratch_.write("tokenizer.json", load(ranks).to_json());
  EXPECT_EQ(Tokenizer::load(scratch_ / "").encode(text), load(ranks).encode(text));
  EXPECT_THROW(Tokenizer::load(scratch_ / "", "cl100k"), Error);
}

TEST_F(Tiktoken, DamageIsNamed) {
  std::string bytes = rank_file({});
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"", "no token for the byte 0"},
      {bytes.substr(0, bytes.size() - 2), "two tokens have rank 25"},
      {bytes + "YWI=\n", "line 257: must be a token in base64, a space and a rank"},
      {bytes + "YWI 256\n", "line 257: 'YWI' is not base64"},
      {bytes + "YW*= 256\n", "line 257: 'YW*=' is not base64"},
      {bytes + "YWJ= 256\n", "line 257: 'YWJ=' is not base64"},
      {bytes + "YWI= -1\n", "line 257: '-1' is not a rank"},
      {bytes + "YWI= 25x\n", "line 257: '25x' is not a rank"},
      {bytes + "YWI= 99999999999\n", "is not a rank"},
      {bytes + "YWI= 255\n", "two tokens have rank 255"},
      {bytes + "YWI= 256\nYWI= 257\n", "line 258: the same token"},
      {bytes + "YWI= 2000000000\n", "the highest rank is 2000000000, but there are 257 tokens"},
      {bytes + line(std::string(513, 'a'), 256), "a token of 513 bytes is too long; at most 512"}};
  for (const auto& [text, words] : damages) {
    std::string message = refusal(text);
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_NE(message.find("t.tiktoken"), std::string::npos) << message;
  }
}

TEST_F(Tiktoken, SpecialTokensAreAllowedAndRefused) {
  using Which = SpecialChoice::Which;
  Tokenizer tokenizer = load(rank_file({}));
  const SpecialChoice none, all{Which::kAll, {}}, end{Which::kListed, {"<|endoftext|>"}},
      prompt{Which::kListed, {"<|endofprompt|>"}};
  auto encode = [&](const std::string& text, const SpecialChoice& allowed, const SpecialChoice& refused) {
    Ids ids;
    tokenizer.encode(text, ids, allowed, refused);
    return ids;
  };
  std::string text = "a<|endoftext|>";
  EXPECT_EQ(encode(text, none, none).size(), text.size());
  EXPECT_EQ(encode(text, all, none), (Ids{'a', 256}));
  EXPECT_EQ(encode(text, end, all), (Ids{'a', 256}));  // all that are not allowed
  EXPECT_EQ(encode(text, end, prompt), (Ids{'a', 256}));
  EXPECT_EQ(encode(text, prompt, none).size(), text.size());
  EXPECT_EQ(encode("a", none, all), (Ids{'a'}));
  for (const SpecialChoice& refused : {all, end}) {
    try {
      encode(text, none, refused);
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("<|endoftext|> at byte 1"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(encode(text, SpecialChoice{Which::kListed, {"<|nobody|>"}}, none), Error);
}

}  // namespace
}  // namespace sextant::data::tiktoken_test
