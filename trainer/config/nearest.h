#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::trainer {

// Edits between two words: insertion, deletion, substitution and the swap of two neighbours count one each.
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that someone who typed `written` most likely meant; empty when none is near. Case, and - for
// _, count as nothing.
std::string nearest(const std::string& written, const std::vector<std::string>& candidates);

}  // namespace sextant::trainer
