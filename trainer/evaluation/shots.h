#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/evaluation/eval.pb.h"

namespace sextant::trainer {

// Whether examples come from the items' own file, where an item must not be its own example.
enum class ShotSource { kOwnFile, kOtherFile };

// Which examples stand in front of an item, in order: of those whose kind equals the item's, the first ones,
// or some drawn without replacement by (seed, purpose, item) alone. Throws Error(kInput) when there are too
// few.
std::vector<size_t> choose_shots(const Shots& shots, uint64_t seed, const std::string& purpose, size_t item,
                                 const std::string& item_kind, const std::vector<std::string>& shot_kinds,
                                 ShotSource source);

}  // namespace sextant::trainer
