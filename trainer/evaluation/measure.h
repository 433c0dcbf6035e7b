#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "trainer/evaluation/eval.pb.h"
#include "trainer/evaluation/eval_model.h"
#include "trainer/evaluation/task.h"

namespace sextant::trainer {

// Records of items of one task (docs/evals.md): what the model was given, what it made of that, and the
// grade, which programs have yet to earn (run_programs); of each item the same whatever stands beside it.
// Throws Error(kInput) naming the item where one can not be given to this model. All ranks that hold the
// models must call, with equal items.
std::vector<nlohmann::ordered_json> measure_items(EvalModel& model, EvalModel& judge,
                                                  const EvalSettings& settings, const EvalTask& task,
                                                  const std::vector<const EvalItem*>& items);

}  // namespace sextant::trainer
