#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// sextant eval compare: launch/eval_compare.cpp.
void add_eval_compare(CLI::App& eval);

}  // namespace sextant::launch
