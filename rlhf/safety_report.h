#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rlhf/safety_evaluation.h"

namespace sextant::rlhf {

// What came of it, as safety.json has it: "models" with the share of each measure, its interval at 95 % and
// the held-out loss; "changes" from the first model to the last in points and in percent; "failures" of the
// gate. A function of settings and answers alone.
nlohmann::ordered_json safety_report(const SafetySettings& settings, const std::vector<ModelAnswers>& models);

// The same as a table for a terminal, and what failed.
std::string safety_table(const nlohmann::ordered_json& report);

// samples.jsonl: an object for each answer.
std::string safety_samples(const std::vector<ModelAnswers>& models);

}  // namespace sextant::rlhf
