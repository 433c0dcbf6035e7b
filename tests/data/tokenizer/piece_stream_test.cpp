#include "data/tokenizer/piece_stream.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/data/tokenizer/small_definition.h"

namespace sextant::data::piece_stream_test {
namespace {

using Ids = std::vector<int32_t>;

TEST(PieceCache, KeepsTheTwoOfALineThatWereAskedForLast) {
  PieceCache cache;
  std::array<int32_t, PieceCache::kMostIds> ids{};
  ShortPiece first("first"), second("second"), third("third");
  size_t line = cache.prefetch(first);  // all three share it here: what counts is that they are told apart
  EXPECT_EQ(cache.find(first, line, ids.data()), 0u);
  cache.keep(first, line, Ids{1});
  cache.keep(second, line, Ids{2, 3, 4, 0});
  ASSERT_EQ(cache.find(first, line, ids.data()), 1u);
  EXPECT_EQ(ids[0], 1);
  cache.keep(third, line, Ids{5, 6});
  EXPECT_EQ(cache.find(second, line, ids.data()), 0u);
  EXPECT_EQ(cache.find(first, line, ids.data()), 1u);
  ASSERT_EQ(cache.find(third, line, ids.data()), 2u);
  EXPECT_EQ(ids[1], 6);
}

TEST(PieceCache, KeepsNeitherNothingNorTooMuch) {
  PieceCache cache;
  std::array<int32_t, PieceCache::kMostIds> ids{};
  ShortPiece piece("piece");
  size_t line = cache.prefetch(piece);
  cache.keep(piece, line, Ids{});
  cache.keep(piece, line, Ids{1, 2, 3, 4, 5});
  EXPECT_EQ(cache.find(piece, line, ids.data()), 0u);
}

// Pieces of all lengths and numbers of tokens, more than any cache holds, in any order, beginning to end of a
// text: the ids are those that BPE gives without a memory.
TEST(PieceStream, IsTheSameAsOnePieceAfterTheOther) {
  auto definition = definition_with({{"a", "b"}, {"ab", "c"}, {"c", "c"}, {"abc", "abc"}});
  definition.tokens.push_back("cab");
  definition.whole_pieces = WholePieces::kLookUp;
  Bpe bpe(definition);
  PieceMemory memory;
  Bpe::Workspace work;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::string text = random_text({"a", "b", "c", "abc", "x"}, 200, seed);
    Ids expected = {7}, ids = {7};
    PieceStream stream(bpe, memory, text.data() + text.size(), ids);
    RandomKey key(seed, "piece lengths");
    for (size_t at = 0, draw = 0; at < text.size(); ++draw) {
      size_t longest = draw % 4 == 0 ? 45 : 6;
      size_t length = std::min<size_t>(1 + key.below(longest, 0, draw), text.size() - at);
      std::string_view piece = std::string_view(text).substr(at, length);
      stream.add(piece);
      bpe.encode(piece, expected, work);
      at += length;
    }
    stream.finish();
    ASSERT_EQ(ids, expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sextant::data::piece_stream_test
