#include "tests/parity/drawn_layouts.h"

#include <algorithm>
#include <stdexcept>

namespace sextant::parity {
namespace {

// A layout as the number of its choice on each axis.
using Digits = std::vector<uint8_t>;

const std::vector<std::pair<std::string, std::vector<std::string>>>& axes() {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> all = {
      {"model", {"llama", "gpt2", "qwen", "moe"}},
      {"parallel.data", {"1", "2", "4"}},
      {"parallel.tensor", {"1", "2", "4"}},
      {"parallel.pipeline", {"1", "2", "4"}},
      {"parallel.context", {"1", "2", "4"}},
      {"parallel.expert", {"1", "2", "4"}},
      {"parallel.zero_stage", {"0", "1", "2", "3"}},
      {"parallel.shard", {"all", "1", "2"}},
      {"parallel.schedule", {"gpipe", "1f1b", "interleaved", "zero_bubble", "zero_bubble_v"}},
      {"parallel.context_kind", {"ring", "ulysses"}},
      {"optimizer.kind", {"adamw", "muon", "adafactor"}},
      {"numerics.recompute", {"none", "selective", "full"}},
      {"numerics.reduction", {"fast", "reproducible"}},
      {"run.micro_batch", {"1", "2"}},
  };
  return all;
}

// The digit's place of an axis.
size_t axis(const std::string& key) {
  for (size_t i = 0; i < axes().size(); ++i) {
    if (axes()[i].first == key) return i;
  }
  throw std::logic_error("no axis " + key);
}

const std::string& choice(const Digits& digits, size_t axis) {
  return axes()[axis].second[digits[axis]];
}

// What the rules of the configuration would refuse, and choices that would mean nothing.
bool can_stand(const Digits& digits) {
  static const size_t kData = axis("parallel.data"), kTensor = axis("parallel.tensor"),
                      kPipeline = axis("parallel.pipeline"), kContext = axis("parallel.context"),
                      kExpert = axis("parallel.expert"), kZero = axis("parallel.zero_stage"),
                      kSchedule = axis("parallel.schedule"), kKind = axis("parallel.context_kind"),
                      kShard = axis("parallel.shard"), kReduction = axis("numerics.reduction"),
                      kMicro = axis("run.micro_batch"), kModel = axis("model");
  auto number = [&](size_t of) { return choice(digits, of)[0] - '0'; };  // all of one digit
  int data = number(kData), pipeline = number(kPipeline), context = number(kContext);
  if (data * number(kTensor) * pipeline * context > 8) return false;
  if (number(kZero) > 0 && data == 1) return false;
  int expert = number(kExpert);
  if (data % expert != 0) return false;
  if (choice(digits, kShard) != "all") {
    int shard = number(kShard);
    if (number(kZero) == 0 || shard >= data || shard % expert != 0) return false;
  }
  bool reproducible = choice(digits, kReduction) == "reproducible";
  if (expert > 1 && (choice(digits, kModel) != "moe" || reproducible)) return false;
  const std::string& schedule = choice(digits, kSchedule);
  if (pipeline == 1 && schedule != "1f1b") return false;
  if (context == 1 && choice(digits, kKind) != "ring") return false;
  bool two_chunks = schedule == "interleaved" || schedule == "zero_bubble_v";
  if (two_chunks && pipeline == 4) return false;  // four layers
  int microbatches = 8 / data / number(kMicro);
  return microbatches >= 1 && (schedule != "interleaved" || microbatches % pipeline == 0);
}

// Every layout that can stand, by counting through all choices.
const std::vector<Digits>& all_layouts() {
  static const std::vector<Digits> all = [] {
    std::vector<Digits> found;
    Digits digits(axes().size(), 0);
    while (true) {
      if (can_stand(digits)) found.push_back(digits);
      size_t i = 0;
      while (i < digits.size() && ++digits[i] == axes()[i].second.size()) digits[i++] = 0;
      if (i == digits.size()) return found;
    }
  }();
  return all;
}

// Two choices of one layout, as a number.
template <class Visit>
void each_pair(const Digits& digits, Visit visit) {
  for (size_t a = 0; a < digits.size(); ++a) {
    for (size_t b = a + 1; b < digits.size(); ++b) {
      visit(((a * 16 + digits[a]) * 16 + b) * 16 + digits[b]);
    }
  }
}

// Which pairs stand in one of the layouts.
std::vector<bool> pairs_in(const std::vector<Digits>& layouts) {
  std::vector<bool> pairs(16 * 16 * 16 * 16);
  for (const Digits& digits : layouts) each_pair(digits, [&](size_t pair) { pairs[pair] = true; });
  return pairs;
}

int64_t count(const std::vector<bool>& pairs) {
  return std::ranges::count(pairs, true);
}

std::vector<Digits> draw(size_t least) {
  const std::vector<Digits>& all = all_layouts();
  std::vector<Digits> drawn;
  std::vector<bool> missing = pairs_in(all);
  // Of a few candidates, the one that brings the most new pairs; a fixed stride goes through all of them.
  constexpr size_t kCandidates = 400, kStride = 7919;
  size_t next = 0;
  for (int64_t left = count(missing); left > 0 || drawn.size() < least; left = count(missing)) {
    const Digits* best = nullptr;
    int64_t most = -1;
    size_t tried = left == 0 ? 1 : left < 20 ? all.size() : kCandidates;
    for (size_t i = 0; i < tried; ++i) {
      const Digits& candidate = all[next = (next + kStride) % all.size()];
      int64_t brings = 0;
      each_pair(candidate, [&](size_t pair) { brings += missing[pair] ? 1 : 0; });
      if (brings > most) most = brings, best = &candidate;
    }
    drawn.push_back(*best);
    each_pair(*best, [&](size_t pair) { missing[pair] = false; });
  }
  return drawn;
}

DrawnLayout layout_of(const Digits& digits) {
  DrawnLayout layout;
  for (size_t i = 0; i < digits.size(); ++i) layout.choices[axes()[i].first] = choice(digits, i);
  for (const char* key : {"parallel.data", "parallel.tensor", "parallel.pipeline", "parallel.context"}) {
    layout.ranks *= std::stoll(layout.choices.at(key));
  }
  return layout;
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
    if (key != "model" && value != "all") words.push_back(key + "=" + value);
  }
  return words;
}

std::vector<DrawnLayout> draw_layouts(size_t least) {
  std::vector<DrawnLayout> layouts;
  for (const Digits& digits : draw(least)) layouts.push_back(layout_of(digits));
  return layouts;
}

size_t pairs_missed(size_t least) {
  return static_cast<size_t>(count(pairs_in(all_layouts())) - count(pairs_in(draw(least))));
}

}  // namespace sextant::parity
