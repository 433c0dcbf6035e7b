#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "trainer/evaluation/measure.h"

namespace sextant::trainer {

// The generation half of measure_items: completes `records`, which have their beginnings. Draw j of sample s
// of item i is a function of (eval.seed, i * samples + s, j).
void measure_generation(const EvalModel& model, const EvalSettings& settings, const EvalTask& task,
                        const std::vector<const EvalItem*>& items,
                        std::vector<nlohmann::ordered_json>& records);

}  // namespace sextant::trainer
