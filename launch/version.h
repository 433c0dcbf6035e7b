#pragma once

#include <string>

namespace sextant::launch {

// "sextant 0.1.0 (7e50cb4)": what checkpoints say they were written by.
std::string program_text();

// What `sextant --version` prints: commit, build, libraries and what this machine's processor can do.
std::string version_text();

}  // namespace sextant::launch
