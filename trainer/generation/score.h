#pragma once

#include <cstdint>
#include <vector>

#include "trainer/model/transformer.h"

namespace sextant::trainer {

// The log-probability of each id given the ones before it, [ids - 1] from the second id on. Texts longer than
// the context are read in windows that overlap by half, so every id but the first ones sees at least half a
// context. Throws Error(kInput) for an id outside the vocabulary. Ranks that share
// the model call together with equal ids.
std::vector<double> score(const Transformer& model, const std::vector<int32_t>& ids);

}  // namespace sextant::trainer
