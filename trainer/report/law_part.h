#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sextant::trainer {

// Runs that a law is fitted to, such as a ladder's points.csv (docs/scaling.md), as the report's page shows
// them: "points", each with "flops" and "loss", and "sha256" of the file, by which predictions name it.
// Throws Error(kInput) where a column or a number above 0 is missing.
nlohmann::ordered_json law_part(const std::filesystem::path& file);

}  // namespace sextant::trainer
