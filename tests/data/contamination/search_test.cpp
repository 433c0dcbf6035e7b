#include "data/contamination/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "data/contamination/file_pieces.h"
#include "data/contamination/shard_pieces.h"
#include "data/shard_build.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"

namespace sextant::data::search_test {
namespace {

using Strings = std::vector<std::string>;

// What the texts of these tests are made of, each with what is left of it: letters of one to four bytes and
// upper case, symbols, white space. `lower` is for words.
struct Sign {
  const char *text, *kept, *lower;
};
const std::vector<Sign> kSigns = {{"a", "a", "a"}, {"B", "B", "b"},          {"7", "7", "7"}, {"é", "é", "é"},
                                  {"Ж", "Ж", "ж"}, {"中", "中", "中"},       {"𐐀", "𐐀", "𐐨"}, {"-", "", ""},
                                  {"…", "", ""},   {"\xff", "", ""},         {" ", "", " "},  {"\n", "", " "},
                                  {"  ", "", " "}, {"\xe3\x80\x80", "", " "}};

// A text, and by the table above its characters and its words.
struct Made {
  std::string text;
  Strings characters, words;
};

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}
  // `letters` of the table's first signs are drawn from, so that texts repeat; a word has about `word`
  // letters.
  Made text(size_t signs, size_t letters, int word) {
    Made made;
    std::string open;
    auto close = [&] {
      if (!open.empty()) made.words.push_back(open);
      open.clear();
    };
    for (size_t i = 0; i < signs; ++i) {
      int kind = static_cast<int>(random_() % static_cast<uint64_t>(word + 1));
      const Sign& sign = kSigns[kind == 0            ? 10 + random_() % 4
                                : random_() % 9 == 0 ? 7 + random_() % 3
                                                     : random_() % letters];
      made.text += sign.text;
      if (*sign.kept != 0) made.characters.emplace_back(sign.kept);
      if (std::string(sign.lower) == " ")
        close();
      else
        open += sign.lower;
    }
    close();
    return made;
  }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
};

std::string joined(const Strings& parts, size_t first, size_t count, const char* between) {
  std::string all;
  for (size_t i = first; i < first + count; ++i) all += (i == first ? "" : between) + parts[i];
  return all;
}

// Every run of `count` of the parts, or all of them where there are fewer.
std::set<std::string> runs(const Strings& parts, size_t count, const char* between) {
  std::set<std::string> all;
  for (size_t first = 0; first + count <= parts.size(); ++first)
    all.insert(joined(parts, first, count, between));
  return all;
}

// Whether any document holds one of the item's needles, each compared with everything.
bool overlap_by_hand(const Made& item, const std::vector<Made>& documents, Overlap overlap) {
  bool words = overlap == Overlap::kWords;
  const Strings& parts = words ? item.words : item.characters;
  if (parts.empty() || (words && parts.size() < kOverlapWords)) return false;
  size_t count = words ? kOverlapWords : std::min(kOverlapCharacters, parts.size());
  const char* between = words ? " " : "";
  std::set<std::string> needles = runs(parts, count, between);
  for (const Made& document : documents) {
    for (const std::string& run : runs(words ? document.words : document.characters, count, between)) {
      if (needles.contains(run)) return true;
    }
  }
  return false;
}

const Tokenizer& bytes() {
  static const Tokenizer tokenizer = byte_tokenizer();
  return tokenizer;
}

class ContaminationSearch : public ::testing::Test {
 protected:
  // Each text a file of its own.
  std::vector<OpenPieces> files(const std::vector<std::string>& texts) {
    std::vector<OpenPieces> sources;
    for (const std::string& text : texts) {
      auto path = folder_.write("text" + std::to_string(made_++) + ".txt", text);
      sources.emplace_back([path] { return open_file_pieces(path, {}); });
    }
    return sources;
  }
  // One shard with each text a document.
  std::vector<OpenPieces> shard(const std::vector<std::string>& texts) {
    std::vector<std::filesystem::path> paths;
    for (const std::string& text : texts)
      paths.push_back(folder_.write("part" + std::to_string(made_++) + ".txt", text));
    BuildSettings settings;
    settings.output = folder_ / ("shard" + std::to_string(made_++));
    build_shards(paths, bytes(), settings, [](const BuildProgress&) {});
    return {[prefix = settings.output] { return open_shard_pieces(prefix, bytes()); }};
  }
  static SearchResult search(const std::vector<std::string>& items, const std::vector<OpenPieces>& sources,
                             int threads = 2,
                             NeedleSettings settings = {NeedleSettings::Substrings::kAll, true, 1}) {
    std::vector<EvalItem> list;
    for (const std::string& text : items) list.push_back({0, static_cast<int64_t>(list.size()), text});
    return find_overlaps(list, sources, settings, threads);
  }
  ScratchFolder folder_;
  int made_ = 0;
};

// Items out of the texts, with other symbols between, and items of nowhere, short and long.
TEST_F(ContaminationSearch, IsWhatComparingEverythingSays) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Maker make(seed);
    size_t letters = 2 + seed % 6;
    std::vector<Made> documents;
    Strings texts;
    for (size_t i = 0; i < 6; ++i) {
      documents.push_back(make.text(100 + make.random()() % 700, letters, 1 + static_cast<int>(seed % 5)));
      texts.push_back(documents.back().text);
    }
    std::vector<Made> items;
    Strings item_texts;
    for (size_t i = 0; i < 120; ++i) {
      items.push_back(make.text(1 + make.random()() % 90, letters, 1 + static_cast<int>(seed % 5)));
      if (i % 3 == 0) {
        const Made& from = documents[make.random()() % documents.size()];
        size_t count = std::min<size_t>(from.characters.size(), 1 + make.random()() % 80);
        size_t first = make.random()() % (from.characters.size() - count + 1);
        Made& item = items.back() = {};
        for (size_t at = first; at < first + count; ++at) {
          item.characters.push_back(from.characters[at]);
          item.text += from.characters[at] + (at % 4 == 0 ? "-" : "");
        }
      }
      item_texts.push_back(items.back().text);
    }
    for (const auto& sources : {files(texts), shard(texts)}) {
      SearchResult result = search(item_texts, sources);
      EXPECT_EQ(result.documents, 6);
      int64_t found = 0;
      for (size_t i = 0; i < items.size(); ++i) {
        bool characters = overlap_by_hand(items[i], documents, Overlap::kCharacters);
        EXPECT_EQ(result.items[i].found(Overlap::kCharacters), characters) << i << ": " << items[i].text;
        found += characters ? 1 : 0;
        if (items[i].words.empty() && !items[i].characters.empty()) continue;  // made of characters alone
        EXPECT_EQ(result.items[i].found(Overlap::kWords),
                  overlap_by_hand(items[i], documents, Overlap::kWords))
            << i << ": " << items[i].text;
      }
      EXPECT_GE(found, 40);
      EXPECT_LT(found, 120);
    }
  }
}

const char* kSentence = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen.";

TEST_F(ContaminationSearch, SaysWhereInFilesAndShards) {
  std::string document = "Ünder it: oNE two\nthree, four";
  document = std::string(40, '.') + " x " + kSentence + " And more.";
  Strings texts = {"nothing here", document, kSentence};
  SearchResult result = search({kSentence}, shard(texts));
  for (size_t kind = 0; kind < 2; ++kind) {
    const auto& places = result.items[0].places[kind];
    ASSERT_EQ(places.size(), 2u);
    EXPECT_EQ(places[0].document, 1);
    EXPECT_EQ(places[0].position, 43);
    EXPECT_EQ(places[1].document, 2);
    EXPECT_EQ(places[1].position, 0);
    EXPECT_EQ(places[0].text.substr(0, 7), "One two");
  }
  EXPECT_EQ(result.items[0].places[1][0].needle,
            "one two three four five six seven eight nine ten eleven twelve thirteen");
  EXPECT_EQ(result.items[0].places[0][0].needle.size(), kOverlapCharacters);
  result = search({kSentence}, files(texts));
  EXPECT_EQ(result.items[0].places[0][0].source, 1);
  EXPECT_EQ(result.items[0].places[0][0].document, 0);
  EXPECT_EQ(result.items[0].places[0][0].position, 43);
}

TEST_F(ContaminationSearch, DoesNotReachAcrossDocuments) {
  std::string whole = kSentence;
  Strings halves = {whole.substr(0, 40), whole.substr(40)};
  EXPECT_FALSE(search({kSentence}, shard(halves)).items[0].contaminated());
  EXPECT_FALSE(search({kSentence}, files(halves)).items[0].contaminated());
  EXPECT_TRUE(search({kSentence}, files({whole})).items[0].contaminated());
}

// Words of four letters (or three), each another one.
std::string own_word(size_t number, int letters) {
  std::string word;
  for (int i = 0; i < letters; ++i, number /= 26) word += static_cast<char>('a' + number % 26);
  return word;
}

// A text with sentences of their own around byte `cut`: of 50 characters in 13 words each, so that there is
// one needle of either kind. `shift` moves them by as many bytes.
std::string sentences_around(size_t cut, size_t shift, Strings& sentences) {
  std::string text(shift, '.');
  while (text.size() < cut - 600 + shift) text += " more";
  while (text.size() < cut + 600) {
    std::string one;
    const char* spaces = sentences.size() % 2 == 0 ? " " : " -- \n";
    for (size_t word = 0; word < 13; ++word) {
      one += own_word(sentences.size() * 13 + word, word % 6 == 5 ? 3 : 4) + (word < 12 ? spaces : "");
    }
    sentences.push_back(one);
    text += " | " + one;
  }
  while (text.size() < cut + 3000) text += " end";
  return text;
}

TEST_F(ContaminationSearch, FindsWhatStandsAcrossPieces) {
  auto check = [&](const std::string& text, const Strings& items, const std::vector<OpenPieces>& sources) {
    SearchResult result = search(items, sources);
    for (size_t i = 0; i < items.size(); ++i) {
      for (const auto& places : result.items[i].places) {
        ASSERT_FALSE(places.empty()) << items[i];
        EXPECT_EQ(places[0].position, static_cast<int64_t>(text.find(items[i]))) << items[i];
      }
    }
  };
  // Over all shifts every word of some sentence is the last one before the cut.
  for (size_t shift = 0; shift < 150; shift += 4) {
    SCOPED_TRACE(shift);
    Strings in_file, in_shard;
    std::string file = sentences_around(kPieceBytes, shift, in_file);
    check(file, in_file, files({file}));
    std::string document = sentences_around(size_t{1} << 18, shift, in_shard);  // a byte is a token
    check(document, in_shard, shard({document}));
  }
}

// A text without any white space is cut within it; symbols that fill more than a piece are no obstacle.
TEST_F(ContaminationSearch, FindsWhatStandsInTextWithoutSpaces) {
  std::string text;
  for (int i = 0; text.size() < (size_t{3} << 20); ++i) text += "中" + std::to_string(i);
  Strings items;
  for (size_t cut : {size_t{1} << 18, size_t{1} << 20, size_t{2} << 20}) {
    for (size_t at = cut - 100; at < cut + 100; at += 10) {
      size_t begin = text.find("中", at + (cut > (size_t{1} << 19) ? kLongestWord : 0));
      items.push_back(text.substr(begin, 120));
    }
  }
  for (const auto& sources : {files({text}), shard({text})}) {
    SearchResult result = search(items, sources);
    for (size_t i = 0; i < items.size(); ++i) EXPECT_TRUE(result.items[i].contaminated()) << i;
  }
  std::string gap(kPieceBytes / 2, '.');
  std::string spread =
      std::string(kPieceBytes - 10, '-') + "abcdefghij klmnopqrst" + gap + "uvwxyzabcdefghijklmnopqrstuvwxyz";
  EXPECT_TRUE(search({"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"}, files({spread}))
                  .items[0]
                  .contaminated());
}

TEST_F(ContaminationSearch, SaysTheSameOnAnyNumberOfThreads) {
  Maker make(5);
  Strings texts, items;
  for (int i = 0; i < 40; ++i) texts.push_back(make.text(60000, 3, 4).text);
  for (int i = 0; i < 50; ++i) items.push_back(make.text(static_cast<size_t>(2 + i), 3, 4).text);
  auto sources = files(texts);
  SearchResult one = search(items, sources, 1), four = search(items, sources, 4);
  EXPECT_EQ(one.text_bytes, four.text_bytes);
  for (size_t i = 0; i < items.size(); ++i) {
    const auto &a = one.items[i].places[0], &b = four.items[i].places[0];
    ASSERT_EQ(a.size(), b.size());
    for (size_t j = 0; j < a.size(); ++j) {
      EXPECT_EQ(a[j].source, b[j].source);
      EXPECT_EQ(a[j].position, b[j].position);
    }
  }
}

TEST_F(ContaminationSearch, DrawsThreeSubstringsBySeedAndText) {
  std::string long_text;
  for (int i = 0; i < 200; ++i) long_text += "word" + std::to_string(i) + " ";
  NeedleSettings three{NeedleSettings::Substrings::kThree, false, 7};
  PreparedItem first = prepare({0, 0, long_text}, three), again = prepare({3, 9, long_text}, three);
  ASSERT_EQ(first.needles.size(), 3u);
  three.seed = 8;
  PreparedItem other = prepare({0, 0, long_text}, three);
  bool same = true;
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(first.needles[i].begin, again.needles[i].begin) << "an item's place changes nothing";
    EXPECT_EQ(first.needles[i].length, kOverlapCharacters);
    same = same && i < other.needles.size() && first.needles[i].begin == other.needles[i].begin;
  }
  EXPECT_FALSE(same);
  PreparedItem shorter = prepare({0, 0, "Only this."}, three);
  ASSERT_EQ(shorter.needles.size(), 1u);
  EXPECT_EQ(shorter.needles[0].length, 8u) << "an item of fewer than 50 characters is looked for as a whole";
}

TEST_F(ContaminationSearch, DamagedInputIsNamed) {
  expect_has(message_of([&] { search({"x"}, {[] { return open_file_pieces("/none", {}); }}); }), "/none");
  auto bad = folder_.write("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": 5\n");
  expect_has(message_of([&] { search({"x"}, {[&] { return open_file_pieces(bad, {}); }}); }), "bad.jsonl:2");
}

}  // namespace
}  // namespace sextant::data::search_test
