#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "trainer/checkpoint/checkpoint.h"

namespace sextant::launch {

// All that `sextant checkpoint inspect --json` says; reads the weights for their hash.
nlohmann::ordered_json checkpoint_json(const trainer::CheckpointReader& checkpoint);

// The same for people, from checkpoint_json().
std::string checkpoint_text(const nlohmann::ordered_json& summary);

// "1.5 GB", in powers of ten.
std::string bytes_text(int64_t bytes);

}  // namespace sextant::launch
