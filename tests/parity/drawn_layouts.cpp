#include "tests/parity/drawn_layouts.h"

#include <algorithm>
#include <set>

namespace sextant::parity {
namespace {

using Choice = std::pair<std::string, std::string>;
using Pair = std::pair<Choice, Choice>;

const std::vector<std::pair<std::string, std::vector<std::string>>>& axes() {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> all = {
      {"model", {"llama", "gpt2", "qwen", "moe"}},
      {"parallel.data", {"1", "2", "4"}},
      {"parallel.tensor", {"1", "2", "4"}},
      {"parallel.pipeline", {"1", "2", "4"}},
      {"parallel.context", {"1", "2", "4"}},
      {"parallel.expert", {"1", "2", "4"}},
      {"parallel.zero_stage", {"0", "1", "2", "3"}},
      {"parallel.schedule", {"gpipe", "1f1b", "interleaved", "zero_bubble", "zero_bubble_v"}},
      {"parallel.context_kind", {"ring", "ulysses"}},
      {"optimizer.kind", {"adamw", "muon", "adafactor"}},
      {"numerics.recompute", {"none", "selective", "full"}},
      {"numerics.reduction", {"fast", "reproducible"}},
      {"run.micro_batch", {"1", "2"}},
  };
  return all;
}

int64_t number(const DrawnLayout& layout, const std::string& key) {
  return std::stoll(layout.choices.at(key));
}

// What the rules of the configuration would refuse, and choices that would mean nothing.
bool can_stand(DrawnLayout& layout) {
  int64_t data = number(layout, "parallel.data"), tensor = number(layout, "parallel.tensor");
  int64_t pipeline = number(layout, "parallel.pipeline"), context = number(layout, "parallel.context");
  layout.ranks = data * tensor * pipeline * context;
  const std::string& schedule = layout.choices.at("parallel.schedule");
  if (layout.ranks > 8) return false;
  if (number(layout, "parallel.zero_stage") > 0 && data == 1) return false;
  int64_t expert = number(layout, "parallel.expert");
  bool reproducible = layout.choices.at("numerics.reduction") == "reproducible";
  if (data % expert != 0) return false;
  if (expert > 1 && (layout.choices.at("model") != "moe" || reproducible)) return false;
  if (pipeline == 1 && schedule != "1f1b") return false;
  if (context == 1 && layout.choices.at("parallel.context_kind") != "ring") return false;
  bool two_chunks = schedule == "interleaved" || schedule == "zero_bubble_v";
  if (two_chunks && pipeline == 4) return false;  // four layers
  int64_t microbatches = 8 / data / number(layout, "run.micro_batch");
  return microbatches >= 1 && (schedule != "interleaved" || microbatches % pipeline == 0);
}

std::vector<Pair> pairs_of(const DrawnLayout& layout) {
  std::vector<Pair> pairs;
  for (auto a = layout.choices.begin(); a != layout.choices.end(); ++a) {
    for (auto b = std::next(a); b != layout.choices.end(); ++b) pairs.push_back({*a, *b});
  }
  return pairs;
}

// Every layout that can stand, by counting through all choices.
std::vector<DrawnLayout> all_layouts() {
  std::vector<DrawnLayout> found;
  std::vector<size_t> digits(axes().size(), 0);
  while (true) {
    DrawnLayout layout;
    for (size_t i = 0; i < digits.size(); ++i) layout.choices[axes()[i].first] = axes()[i].second[digits[i]];
    if (can_stand(layout)) found.push_back(layout);
    size_t i = 0;
    while (i < digits.size() && ++digits[i] == axes()[i].second.size()) digits[i++] = 0;
    if (i == digits.size()) return found;
  }
}

std::set<Pair> all_pairs(const std::vector<DrawnLayout>& layouts) {
  std::set<Pair> pairs;
  for (const DrawnLayout& layout : layouts) {
    for (const Pair& pair : pairs_of(layout)) pairs.insert(pair);
  }
  return pairs;
}

}  // namespace

std::string DrawnLayout::name() const {
  std::string text = choices.at("model");
  for (const auto& [key, values] : axes()) {
    auto chosen = choices.find(key);
    if (key == "model" || chosen == choices.end() || chosen->second == values[0]) continue;
    text += "_" + key.substr(key.find('.') + 1) + "_" + chosen->second;
  }
  return text;
}

std::vector<std::string> DrawnLayout::overrides() const {
  std::vector<std::string> words;
  for (const auto& [key, value] : choices) {
    if (key != "model") words.push_back(key + "=" + value);
  }
  return words;
}

std::vector<DrawnLayout> draw_layouts(size_t least) {
  std::vector<DrawnLayout> all = all_layouts(), drawn;
  std::set<Pair> missing = all_pairs(all);
  // Of a few candidates, the one that brings the most new pairs; a fixed stride goes through all of them.
  constexpr size_t kCandidates = 400, kStride = 7919;
  size_t next = 0;
  auto new_pairs = [&](const DrawnLayout& layout) {
    auto pairs = pairs_of(layout);
    return std::ranges::count_if(pairs, [&](const Pair& pair) { return missing.contains(pair); });
  };
  while (!missing.empty() || drawn.size() < least) {
    const DrawnLayout* best = nullptr;
    int64_t most = -1;
    size_t tried = missing.empty() ? 1 : missing.size() < 20 ? all.size() : kCandidates;
    for (size_t i = 0; i < tried; ++i) {
      const DrawnLayout& candidate = all[next = (next + kStride) % all.size()];
      if (int64_t count = new_pairs(candidate); count > most) most = count, best = &candidate;
    }
    drawn.push_back(*best);
    for (const Pair& pair : pairs_of(*best)) missing.erase(pair);
  }
  return drawn;
}

size_t pairs_missed(const std::vector<DrawnLayout>& layouts) {
  return all_pairs(all_layouts()).size() - all_pairs(layouts).size();
}

}  // namespace sextant::parity
