#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sextant::trainer {

// A folder of `sextant safety` (docs/alignment.md) as the report's page shows it: safety.json's "models",
// "changes", "perplexity_rise_percent" and "failures"; "samples", the first answer of each model to each of
// the first 100 prompts; "notes". Throws Error(kInput) where safety.json is something else.
nlohmann::ordered_json safety_part(const std::filesystem::path& folder);

}  // namespace sextant::trainer
