#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/evaluation/eval.pb.h"

namespace sextant::trainer {

// Reads an evaluation's YAML file and the command line's overrides, and checks it. eval.folder becomes
// runs/NAME for NAME.yaml unless it is given; evals of a registry (OpenAI Evals) become tasks after the
// others. Throws Error(kInput) with all faults. `origins` may be null.
EvalRun load_eval(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                  Origins* origins);

}  // namespace sextant::trainer
