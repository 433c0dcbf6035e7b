#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// Each command stands in one file of this folder and adds its subcommand to `app`: options, help with an
// example, and a callback that does the work. A callback throws sextant::Error for what a user should see and
// CLI::RuntimeError(code) to leave with an exit code of its own.

void add_checkpoint(CLI::App& app);  // launch/checkpoint.cpp

}  // namespace sextant::launch
