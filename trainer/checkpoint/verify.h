#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace sextant::trainer {

// Reads every byte of the checkpoint in a step folder and checks it, going on after a fault. Returns a line
// for each fault, naming the file, the rank that wrote it and the offset; none: it is whole. `progress` hears
// of the bytes done and of all.
std::vector<std::string> verify_checkpoint(const std::filesystem::path& step_folder,
                                           const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace sextant::trainer
