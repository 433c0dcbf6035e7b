#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// The subcommands of `sextant rubric`.
void add_rubric_fit(CLI::App& rubric);
void add_rubric_grade(CLI::App& rubric);

}  // namespace sextant::launch
