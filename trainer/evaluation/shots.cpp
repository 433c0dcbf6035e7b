#include "trainer/evaluation/shots.h"

#include <fmt/format.h>

#include <utility>

#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::trainer {

std::vector<size_t> choose_shots(const Shots& shots, uint64_t seed, const std::string& purpose, size_t item,
                                 const std::string& item_kind, const std::vector<std::string>& shot_kinds,
                                 ShotSource source) {
  auto count = static_cast<size_t>(shots.count());
  std::vector<size_t> candidates;
  for (size_t i = 0; i < shot_kinds.size(); ++i) {
    bool itself = source == ShotSource::kOwnFile && i == item;
    if (!itself && shot_kinds[i] == item_kind) candidates.push_back(i);
    if (shots.pick() == Shots::first && candidates.size() == count) break;
  }
  if (candidates.size() < count) {
    std::string kind = shots.has_same() ? fmt::format(" with '{}' = '{}'", shots.same(), item_kind) : "";
    fail_input(fmt::format("{} examples{} are wanted in front of it, but there are {}; lower shots.count",
                           count, kind, candidates.size()));
  }
  RandomKey key(seed, "shots of " + purpose);
  for (size_t i = 0; i < count && shots.pick() == Shots::random; ++i)
    std::swap(candidates[i], candidates[i + key.below(candidates.size() - i, item, i)]);
  candidates.resize(count);
  return candidates;
}

}  // namespace sextant::trainer
