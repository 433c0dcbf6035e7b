#include "data/contamination/needles.h"

#include <algorithm>

#include "data/contamination/normal_text.h"
#include "parallel/base/seed.h"

namespace sextant::data {
namespace {

constexpr uint64_t kRandomSubstrings = 3;

std::vector<size_t> random_places(const EvalItem& item, size_t places, uint64_t seed) {
  RandomKey key(seed, "contamination");
  std::vector<size_t> chosen;
  chosen.reserve(kRandomSubstrings);
  for (uint64_t draw = 0; draw < kRandomSubstrings; ++draw) {
    chosen.push_back(static_cast<size_t>(key.below(places, draw, stable_hash(item.text))));
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

void add_substrings(const EvalItem& item, const NeedleSettings& settings, PreparedItem& prepared) {
  if (settings.substrings == NeedleSettings::Substrings::kNone || prepared.characters.empty()) return;
  size_t length = std::min(kOverlapCharacters, prepared.characters.size());
  size_t places = prepared.characters.size() - length + 1;
  std::vector<size_t> begins;
  if (settings.substrings == NeedleSettings::Substrings::kThree) {
    begins = random_places(item, places, settings.seed);
  } else {
    for (size_t begin = 0; begin < places; ++begin) begins.push_back(begin);
  }
  for (size_t begin : begins) {
    prepared.needles.push_back(
        {Overlap::kCharacters, static_cast<uint32_t>(begin), static_cast<uint32_t>(length), 0});
  }
}

void add_ngrams(const NormalText& text, PreparedItem& prepared) {
  for (size_t first = 0; first + kOverlapWords <= text.word_list.size(); ++first) {
    uint64_t hash = 0;
    for (size_t i = 0; i < kOverlapWords; ++i)
      hash = hash * NgramHash::kFactor + text.word_list[first + i].hash;
    auto length = static_cast<uint32_t>(text.span(first, kOverlapWords).size());
    prepared.needles.push_back({Overlap::kWords, text.word_list[first].begin, length, hash});
  }
}

}  // namespace

PreparedItem prepare(const EvalItem& item, const NeedleSettings& settings) {
  NormalText text;
  text.assign(item.text);
  PreparedItem prepared;
  prepared.characters = text.characters;
  prepared.words = text.words;
  add_substrings(item, settings, prepared);
  if (settings.words) add_ngrams(text, prepared);
  return prepared;
}

uint64_t NgramHash::power(size_t count) {
  uint64_t power = 1;
  for (size_t i = 0; i < count; ++i) power *= kFactor;
  return power;
}

}  // namespace sextant::data
