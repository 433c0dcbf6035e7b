#include "data/tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/data/tokenizer/small_definition.h"

namespace sextant::data::bpe_test {
namespace {

std::vector<int32_t> encode(const Bpe& bpe, std::string_view piece) {
  std::vector<int32_t> ids;
  Bpe::Workspace work;
  bpe.encode(piece, ids, work);
  return ids;
}

// The definition of BPE, word for word: look for the lowest rank, leftmost, join, start again.
std::vector<int32_t> naive(const TokenizerDefinition& definition, std::string_view piece) {
  std::vector<int32_t> ids;
  for (char byte : piece) ids.push_back(static_cast<uint8_t>(byte));
  std::map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t rank = 0; rank < definition.merges.size(); ++rank) {
    ranks[{definition.merges[rank].left, definition.merges[rank].right}] = rank;
  }
  for (;;) {
    size_t best = definition.merges.size(), place = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      auto found = ranks.find({ids[i], ids[i + 1]});
      if (found != ranks.end() && found->second < best) best = found->second, place = i;
    }
    if (best == definition.merges.size()) return ids;
    ids[place] = definition.merges[best].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(Bpe, MergesByRankAndNotFromTheLeft) {
  // 256 lo, 257 er, 258 low, 259 lower
  auto definition = definition_with({{"l", "o"}, {"e", "r"}, {"lo", "w"}, {"low", "er"}});
  Bpe bpe(definition);
  EXPECT_EQ(encode(bpe, "lower"), (std::vector<int32_t>{259}));
  EXPECT_EQ(encode(bpe, "lowest"), (std::vector<int32_t>{258, 'e', 's', 't'}));
  EXPECT_EQ(encode(bpe, "slower"), (std::vector<int32_t>{'s', 259}));
  EXPECT_EQ(encode(bpe, "x"), (std::vector<int32_t>{'x'}));
  EXPECT_EQ(encode(bpe, ""), (std::vector<int32_t>{}));
  // bc before ab: "abc" is a, bc although ab comes first in the text
  auto other = definition_with({{"b", "c"}, {"a", "b"}});
  EXPECT_EQ(encode(Bpe(other), "abc"), (std::vector<int32_t>{'a', 256}));
}

TEST(Bpe, OfEqualPairsTheLeftmostMergesFirst) {
  auto definition = definition_with({{"a", "a"}, {"aa", "aa"}});  // 256 aa, 257 aaaa
  Bpe bpe(definition);
  EXPECT_EQ(encode(bpe, "aaa"), (std::vector<int32_t>{256, 'a'}));
  EXPECT_EQ(encode(bpe, "aaaaaaa"), (std::vector<int32_t>{257, 256, 'a'}));
}

TEST(Bpe, EqualsTheDefinitionForShortAndLongPieces) {
  auto definition = definition_with({{"a", "b"},
                                     {"b", "a"},
                                     {"a", "a"},
                                     {"ab", "ab"},
                                     {"b", "b"},
                                     {"aa", "ab"},
                                     {"ab", "b"},
                                     {"abab", "abab"},
                                     {"c", "ab"},
                                     {"cab", "c"}});
  Bpe bpe(definition);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    std::string piece = random_text({"a", "b", "c", "ab"}, 1 + seed, seed);
    ASSERT_EQ(encode(bpe, piece), naive(definition, piece)) << piece;
  }
}

TEST(Bpe, LongPiecesTakeNLogN) {
  auto definition = definition_with({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}});
  Bpe bpe(definition);
  // A quadratic merge of this would take hours.
  EXPECT_EQ(encode(bpe, std::string(1 << 20, 'a')), std::vector<int32_t>(1 << 17, 258));
}

TEST(Bpe, LeavesOutBytesWithoutAToken) {
  TokenizerDefinition definition;
  definition.tokens = {"a", "b", "ab"};
  definition.merges = {{0, 1, 2}};
  Bpe bpe(definition);
  EXPECT_EQ(encode(bpe, "axb"), (std::vector<int32_t>{2}));
  EXPECT_EQ(bpe.missing_bytes().size(), 254u);
  auto whole = definition_with({});
  EXPECT_TRUE(Bpe(whole).missing_bytes().empty());
}

TEST(Bpe, WholePiecesMayBeLookedUp) {
  // No merge leads to "abc", so only a look-up finds it.
  auto definition = definition_with({{"a", "b"}});
  definition.tokens.push_back("abc");
  EXPECT_EQ(encode(Bpe(definition), "abc"), (std::vector<int32_t>{256, 'c'}));
  definition.whole_pieces = WholePieces::kLookUp;
  EXPECT_EQ(encode(Bpe(definition), "abc"), (std::vector<int32_t>{257}));
  EXPECT_EQ(encode(Bpe(definition), "abcd"), (std::vector<int32_t>{256, 'c', 'd'}));
}

}  // namespace
}  // namespace sextant::data::bpe_test
