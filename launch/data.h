#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// The two halves of `sextant data`.
void add_data_build(CLI::App& data);
void add_data_inspect(CLI::App& data);

}  // namespace sextant::launch
