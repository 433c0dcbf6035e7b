#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sextant::trainer {

// results.json of an evaluation (docs/evals.md) as the report's page shows it: {"results": [...]}, each with
// "task", "metric", "n" and where they are there "group", "value", "stderr", "low", "high", "bins",
// "out_of". Throws
// Error(kInput) where the file is something else.
nlohmann::ordered_json eval_part(const std::filesystem::path& folder);

// A file that `sextant data contamination --output` wrote (docs/contamination.md): its numbers, and of its
// items the first 100 with one place each. Throws Error(kInput) where the file is something else.
nlohmann::ordered_json contamination_part(const std::filesystem::path& file);

}  // namespace sextant::trainer
