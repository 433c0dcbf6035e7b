#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sextant::launch {

// A bash script that completes the commands and options that `app` has, the keys and values of a
// configuration after a YAML file, and file names.
std::string bash_completion(const CLI::App& app);

}  // namespace sextant::launch
