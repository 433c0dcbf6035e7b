#pragma once

#include <map>
#include <string>
#include <vector>

#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer {

// Files of a Hugging Face folder that a checkpoint keeps beside its weights and export gives back:
// config.json, tokenizer.json, the chat template ...
const std::vector<std::string>& kept_file_names();

// Those that the checkpoint holds, by name.
std::map<std::string, std::string> kept_files(const CheckpointReader& checkpoint);

}  // namespace sextant::trainer
