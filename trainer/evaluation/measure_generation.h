#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "trainer/evaluation/measure.h"

namespace sextant::trainer {

// The generation half of measure_items: completes `records`, which have their beginnings. `judge` grades
// where the task says so; it may be the model itself.
void measure_generation(EvalModel& model, EvalModel& judge, const EvalSettings& settings,
                        const EvalTask& task, const std::vector<const EvalItem*>& items,
                        std::vector<nlohmann::ordered_json>& records);

}  // namespace sextant::trainer
