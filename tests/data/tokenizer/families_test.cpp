// Small tokenizers of the kinds that people have, compared with what their own engines make of text:
// tests/golden/tokenizer/make_families.py learned them and made the hashes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "data/durable_file.h"
#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/tiktoken_ranks.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/harness/checkout.h"

namespace sextant::data::families_test {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kFolder = harness::checkout() / "tests/golden/tokenizer/families";

// splitmix64, as in the script.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t bound) {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % bound;
  }

 private:
  uint64_t state_;
};

class Hash {
 public:
  void add(uint64_t number) { value_ = (value_ ^ number) * 0x100000001b3ULL; }
  std::string text() const { return fmt::format("{:016x}", value_); }

 private:
  uint64_t value_ = 0xcbf29ce484222325ULL;
};

std::string hashed(const std::vector<int32_t>& ids) {
  Hash hash;
  for (int32_t id : ids) hash.add(static_cast<uint64_t>(id));
  return hash.text();
}

std::string utf8(uint32_t code) {
  auto byte = [](uint32_t bits) { return static_cast<char>(bits); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f))};
  if (code < 0x10000)
    return {byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f))};
  return {byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f)), byte(0x80 | (code >> 6 & 0x3f)),
          byte(0x80 | (code & 0x3f))};
}

struct Golden {
  Json json;
  std::vector<std::string> texts;

  Golden() {
    std::ifstream file(kFolder / "golden.json");
    json = Json::parse(file);
    for (uint64_t seed = 0; seed < json["seeds"].get<uint64_t>(); ++seed) texts.push_back(seeded(seed));
    auto left_out = json["left_out"].get<std::set<uint32_t>>();
    for (uint32_t first = 0; first < json["swept"].get<uint32_t>(); first += 4096) {
      texts.push_back(sweep(first, left_out));
    }
  }

 private:
  std::string seeded(uint64_t seed) const {
    auto parts = json["parts"].get<std::vector<std::string>>();
    Generator generator(seed);
    std::string text;
    for (int unit = 0; unit < json["units"].get<int>(); ++unit) {
      const std::string& part = parts[generator.below(parts.size())];
      bool often = generator.below(12) == 0;
      uint64_t more = generator.below(9);
      for (uint64_t i = 0; i < 1 + (often ? more : 0); ++i) text += part;
    }
    return text;
  }

  static std::string sweep(uint32_t first, const std::set<uint32_t>& left_out) {
    std::string text;
    for (uint32_t code = first; code < first + 4096; ++code) {
      bool wanted = code < 0x3400 || code % 8 == 0;
      if (!wanted || (code >= 0xd800 && code < 0xe000) || left_out.contains(code)) continue;
      std::string c = utf8(code);
      text += fmt::format("a{}B {}1{}'s\n{} ", c, c, c, c);
    }
    return text;
  }
};

const Golden& golden() {
  static const Golden loaded;
  return loaded;
}

// "ranks.tiktoken cl100k" is a file and its pattern.
Tokenizer load(const std::string& name) {
  size_t space = name.find(' ');
  return Tokenizer::load(kFolder / name.substr(0, space),
                         space == std::string::npos ? "" : name.substr(space + 1));
}

void compare(const Tokenizer& tokenizer, const std::string& name, const Json& hashes, SpecialText special) {
  ASSERT_EQ(hashes.size(), golden().texts.size());
  for (size_t i = 0; i < hashes.size(); ++i) {
    std::vector<int32_t> ids;
    tokenizer.encode(golden().texts[i], ids, special);
    EXPECT_EQ(hashed(ids), hashes[i].get<std::string>()) << name << ", text " << i;
  }
}

TEST(Families, OrdinaryTextGivesTheirIds) {
  EXPECT_GE(golden().json["ids"].size(), 11u);
  for (const auto& [name, hashes] : golden().json["ids"].items()) {
    compare(load(name), name, hashes, SpecialText::kOrdinary);
  }
}

TEST(Families, SpecialTokensGiveTheirIds) {
  EXPECT_GE(golden().json["ids_with_special"].size(), 6u);
  for (const auto& [name, hashes] : golden().json["ids_with_special"].items()) {
    compare(load(name), name, hashes, SpecialText::kRecognised);
  }
}

TEST(Families, PublishedPatternsCutTheSamePieces) {
  EXPECT_GE(golden().json["pieces"].size(), 6u);
  for (const auto& [name, hashes] : golden().json["pieces"].items()) {
    SplitPattern pattern = SplitPattern::named(name);
    SplitPattern::Matcher matcher;
    for (size_t i = 0; i < hashes.size(); ++i) {
      Hash hash;
      pattern.split(golden().texts[i], matcher, [&](std::string_view piece) { hash.add(piece.size()); });
      EXPECT_EQ(hash.text(), hashes[i].get<std::string>()) << name << ", text " << i;
    }
  }
}

// What is kept beside a checkpoint.
TEST(Families, WrittenAgainTheyGiveTheSameIds) {
  for (const auto& [name, hashes] : golden().json["ids"].items()) {
    Tokenizer first = load(name);
    Tokenizer again = Tokenizer::from_json(first.to_json(), name);
    EXPECT_EQ(again.fingerprint(), first.fingerprint()) << name;
    compare(again, name + " again", hashes, SpecialText::kOrdinary);
    if (name.find(".json") == std::string::npos) continue;
    auto definition = read_tokenizer_json(first.to_json(), name);
    auto rewritten = Tokenizer::from_json(write_tokenizer_json(definition), name);
    compare(rewritten, name + " rewritten", hashes, SpecialText::kOrdinary);
  }
}

TEST(Families, WholeTextsAreDecodedAsTheyDo) {
  for (const auto& [name, entry] : golden().json["decoded"].items()) {
    EXPECT_EQ(load(name).decode(entry["ids"].get<std::vector<int32_t>>(), Decoded::kWhole),
              entry["text"].get<std::string>())
        << name;
  }
}

TEST(Families, SentencePieceKeepsAnyBytes) {
  Tokenizer tokenizer = load("llama2.json");
  for (std::string text : {"", "a", " a", "two  spaces", "\n\xff\xfe\x80 b", "日本語 🙂\x01"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text), Decoded::kWhole), text);
  }
  EXPECT_TRUE(tokenizer.missing_bytes().empty());
}

}  // namespace
}  // namespace sextant::data::families_test
