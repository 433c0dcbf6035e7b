#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/report/run_settings.h"

namespace sextant::trainer {

// What the page and the table are made from: {"made": UTC, "program"} and lists of what `paths` are, each in
// their order with "name" (the file's, or the whole path where two have one name) and "folder":
//   "runs"           folders of training runs (trainer/report/training_run)
//   "evals"          folders of evaluations (trainer/report/eval_parts)
//   "safety"         folders of safety evaluations (trainer/report/safety_part)
//   "contamination"  files of `sextant data contamination --output` (there, too)
// Throws Error(kInput) naming a path that is none of these, is damaged, or is given twice.
nlohmann::ordered_json report_of(const std::vector<std::filesystem::path>& paths, const KindOfFile& kind,
                                 const std::string& program);

// The final numbers of all runs as tables for a terminal, one for each stage; then those of evaluations.
std::string report_table(const nlohmann::ordered_json& report);

}  // namespace sextant::trainer
