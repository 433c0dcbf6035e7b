#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// `sextant checkpoint import` and `sextant checkpoint export`.
void add_import(CLI::App& checkpoint);
void add_export(CLI::App& checkpoint);

}  // namespace sextant::launch
