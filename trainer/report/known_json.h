#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace sextant::trainer {

// What `take` picks of a JSON file by at() and get(), which throw where something is missing or of another
// type: nothing of a file is passed on unseen. Throws Error(kInput) that names the file and says that it is
// not what `writer` writes. Files over 256 MiB are refused.
nlohmann::ordered_json known_json(
    const std::filesystem::path& file, const std::string& writer,
    const std::function<nlohmann::ordered_json(const nlohmann::ordered_json&)>& take);

// Copies a number, or the null of one that is not known, where there is one.
void copy_number(const nlohmann::ordered_json& from, const char* key, nlohmann::ordered_json& to);

// A line of a samples.jsonl with "prompt" and "text" of at most 4,000 bytes each; longer ones are cut between
// characters.
nlohmann::ordered_json shortened(const nlohmann::json& sample);

}  // namespace sextant::trainer
