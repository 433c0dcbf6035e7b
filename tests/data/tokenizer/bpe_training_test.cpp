#include "data/tokenizer/bpe_training.h"

#include <gtest/gtest.h>

#include <map>

#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/piece_counts.h"
#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "tests/data/tokenizer/small_definition.h"

namespace sextant::data::bpe_training_test {
namespace {

TokenizerDefinition train(const BpeTrainingSettings& settings, const std::vector<std::string>& documents) {
  size_t next = 0;
  return train_bpe(
      settings,
      [&](std::string& text) {
        if (next == documents.size()) return false;
        text = documents[next++];
        return true;
      },
      [](int32_t, int32_t) {});
}

BpeTrainingSettings settings_for(int32_t vocabulary, int threads = 1) {
  BpeTrainingSettings settings;
  settings.vocabulary = vocabulary;
  settings.threads = threads;
  return settings;
}

// BPE training as defined: count all pairs anew, take the most frequent, join it everywhere, start again.
std::vector<std::pair<int32_t, int32_t>> naive(const std::vector<std::string>& documents, size_t merges) {
  SplitPattern pattern = SplitPattern::named("cl100k");
  SplitPattern::Matcher matcher;
  std::vector<std::vector<int32_t>> pieces;
  for (const std::string& document : documents) {
    pattern.split(document, matcher, [&](std::string_view piece) {
      pieces.emplace_back();
      for (char byte : piece) pieces.back().push_back(static_cast<uint8_t>(byte));
    });
  }
  std::vector<std::pair<int32_t, int32_t>> found;
  while (found.size() < merges) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const auto& piece : pieces) {
      for (size_t i = 0; i + 1 < piece.size(); ++i) ++counts[{piece[i], piece[i + 1]}];
    }
    if (counts.empty()) break;
    // The map runs from low to high ids, so the first of the largest is the one with the lowest.
    auto best = std::max_element(counts.begin(), counts.end(),
                                 [](const auto& a, const auto& b) { return a.second < b.second; });
    int32_t result = 256 + static_cast<int32_t>(found.size());
    for (auto& piece : pieces) {
      for (size_t i = 0; i + 1 < piece.size(); ++i) {
        if (piece[i] != best->first.first || piece[i + 1] != best->first.second) continue;
        piece[i] = result;
        piece.erase(piece.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
    found.push_back(best->first);
  }
  return found;
}

std::vector<std::pair<int32_t, int32_t>> pairs_of(const TokenizerDefinition& definition) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  for (const Merge& merge : definition.merges) pairs.emplace_back(merge.left, merge.right);
  return pairs;
}

std::vector<std::string> some_documents() {
  const std::vector<std::string> parts = {"the ", "then ", "cat ", "aaa", "aaaa ", "ab", "ba", " ",     "\n",
                                          "123",  "élan ", "日本", "x",   "\xff",  "'s", ", ", "Hello "};
  std::vector<std::string> documents;
  for (uint64_t seed = 0; seed < 20; ++seed) documents.push_back(random_text(parts, 120, seed));
  return documents;
}

TEST(BpeTraining, FindsTheTextbookMerges) {
  auto definition = train(settings_for(256 + 1 + 3), {"aaabdaaabac"});
  // aa occurs 4 times (overlaps counted), then ab with aa,a: 2 each; ids decide
  EXPECT_EQ(definition.tokens[256], "aa");
  EXPECT_EQ(pairs_of(definition), naive({"aaabdaaabac"}, 3));
  EXPECT_EQ(definition.tokens.size(), 260u);
  EXPECT_EQ(definition.tokens[259], "<|endoftext|>");
}

TEST(BpeTraining, EqualsTheDefinition) {
  auto documents = some_documents();
  auto definition = train(settings_for(256 + 1 + 150), documents);
  EXPECT_EQ(definition.merges.size(), 150u);
  EXPECT_EQ(pairs_of(definition), naive(documents, 150));
}

TEST(BpeTraining, DoesNotDependOnThreads) {
  auto documents = some_documents();
  std::string long_one;
  for (int i = 0; i < 400; ++i)
    long_one += random_text({"word ", "line\n", "other", " text"}, 1000, i) + "\nnext ";
  documents.push_back(long_one);
  auto one = write_tokenizer_json(train(settings_for(400, 1), documents));
  EXPECT_EQ(one, write_tokenizer_json(train(settings_for(400, 2), documents)));
  EXPECT_EQ(one, write_tokenizer_json(train(settings_for(400, 7), documents)));
}

TEST(BpeTraining, StopsWhenNoPairIsLeft) {
  auto definition = train(settings_for(1000), {"abc abc"});
  // "abc" and " abc" become one token each; nothing is left then.
  EXPECT_EQ(definition.merges.size(), 3u);
  EXPECT_EQ(definition.tokens.size(), 256u + 3u + 1u);
  EXPECT_EQ(definition.tokens[258], " abc");
}

TEST(BpeTraining, PassesOverTheTextOfSpecialTokens) {
  auto settings = settings_for(300);
  settings.special = {"<|endoftext|>", "<|im_start|>", "banana"};
  auto definition = train(settings, {"banana<|im_start|>banana xy<|endoftext|>"});
  EXPECT_EQ(definition.tokens[256], " x");
  ASSERT_EQ(definition.added.size(), 3u);
  EXPECT_EQ(definition.added[2].text, "banana");
  auto tokenizer = Tokenizer::from_json(write_tokenizer_json(definition), "trained");
  EXPECT_EQ(tokenizer.special("banana"), definition.added[2].id);
  EXPECT_EQ(tokenizer.end_of_text(), definition.added[0].id);
}

TEST(BpeTraining, ABareVocabularyHoldsTheBytes) {
  auto tokenizer = Tokenizer::from_json(write_tokenizer_json(train(settings_for(257), {"abc"})), "trained");
  EXPECT_EQ(tokenizer.vocabulary(), 257);
  EXPECT_EQ(tokenizer.encode("ab"), (std::vector<int32_t>{'a', 'b'}));
}

TEST(BpeTraining, RefusesBadInput) {
  EXPECT_THROW(train(settings_for(256), {"abc"}), Error);  // no room for <|endoftext|>
  EXPECT_THROW(train(settings_for(-1), {"abc"}), Error);
  EXPECT_THROW(train(settings_for(300, 0), {"abc"}), Error);
  EXPECT_THROW(train(settings_for(300), {}), Error);
  EXPECT_THROW(train(settings_for(300), {"", ""}), Error);
  for (std::vector<std::string> special :
       {std::vector<std::string>{"a"}, {""}, {"<a>", "<a>"}, {"\xff\xfe"}}) {
    auto settings = settings_for(300);
    settings.special = special;
    EXPECT_THROW(train(settings, {"abc"}), Error) << special[0];
  }
  auto settings = settings_for(300);
  settings.pattern = "none";
  EXPECT_THROW(train(settings, {"abc"}), Error);
}

TEST(BpeTraining, AnErrorInTheDocumentsEndsIt) {
  EXPECT_THROW(train_bpe(
                   settings_for(300, 4), [](std::string&) -> bool { throw Error(ErrorKind::kInput, "bad"); },
                   [](int32_t, int32_t) {}),
               Error);
}

TEST(BpeTraining, OneWordOfAMegabyteIsNoTrap) {
  auto definition = train(settings_for(256 + 1 + 30), {std::string(1 << 20, 'a')});
  EXPECT_EQ(definition.merges.size(), 20u);  // aa, aaaa, ... the whole word
  EXPECT_EQ(definition.tokens[275].size(), size_t{1} << 20);
}

TEST(SafeCut, StandsBetweenANewlineAndALetter) {
  EXPECT_EQ(safe_cut("ab\ncd\nef", 4), 6u);
  EXPECT_EQ(safe_cut("ab\n cd", 1), 6u);
  EXPECT_EQ(safe_cut("ab\n\ncd \ne", 1), 9u);
  EXPECT_EQ(safe_cut("", 5), 0u);
  EXPECT_EQ(safe_cut("ab\ncd", 100), 5u);
}

TEST(SafeCut, ChangesNoPieces) {
  const std::vector<std::string> parts = {"a", " ", "\n", "\n\n", "!", "1", "é", "'s", "\t", "/", "B"};
  for (std::string_view name : SplitPattern::names()) {
    SplitPattern pattern = SplitPattern::named(name);
    SplitPattern::Matcher matcher;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      std::string text = random_text(parts, 100, seed);
      std::vector<std::string_view> whole, cut;
      pattern.split(text, matcher, [&](std::string_view piece) { whole.push_back(piece); });
      for (std::string_view rest = text; !rest.empty();) {
        size_t end = safe_cut(rest, 5);
        pattern.split(rest.substr(0, end), matcher, [&](std::string_view piece) { cut.push_back(piece); });
        rest.remove_prefix(end);
      }
      ASSERT_EQ(whole, cut) << name << " seed " << seed;
    }
  }
}

TEST(PieceCounts, AddsUp) {
  PieceCounts a, b;
  a.add("x");
  a.add("yy", 2);
  b.add("yy");
  b.add(std::string(1 << 20, 'z'));
  a.add(b);
  std::map<std::string, int64_t> counts;
  a.each([&](std::string_view piece, int64_t count) { counts.emplace(piece, count); });
  EXPECT_EQ(counts.at("yy"), 3);
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_EQ(a.distinct(), 3u);
  EXPECT_EQ(a.occurrences(), 5);
  EXPECT_EQ(a.distinct_bytes(), 3u + (1 << 20));
}

}  // namespace
}  // namespace sextant::data::bpe_training_test
