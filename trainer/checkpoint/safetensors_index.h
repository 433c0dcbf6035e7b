#pragma once

#include <set>
#include <string>
#include <string_view>

namespace sextant::trainer {

// The names of the files that a model.safetensors.index.json puts a model's tensors into. Throws
// Error(kInput) for what is no such index, for a name with a folder in it and for more than 10,000 files. A
// pure function; memory stays small whatever the text holds.
std::set<std::string> parse_safetensors_index(std::string_view text, const std::string& origin);

}  // namespace sextant::trainer
