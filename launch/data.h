#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// The subcommands of `sextant data`.
void add_data_build(CLI::App& data);
void add_data_inspect(CLI::App& data);
void add_data_contamination(CLI::App& data);

}  // namespace sextant::launch
