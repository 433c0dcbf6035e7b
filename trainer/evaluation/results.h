#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/evaluation/eval.pb.h"
#include "trainer/evaluation/records.h"

namespace sextant::trainer {

// What an evaluation found, as results.json has it: a list of {"task", "metric", "value", "stderr", "n"},
// with "low" and "high" of the bootstrap interval at 95 %, "group" where it is of a part of the task, and
// "bins" of calibration errors; then the exams. A function of the records and the settings alone.
nlohmann::ordered_json results_of(const EvalSettings& settings, const RecordMap& records);

// The results as a table for a terminal, groups aside; then the reliability of each task that has one, and
// exams.
std::string results_table(const nlohmann::ordered_json& results);

}  // namespace sextant::trainer
