#pragma once

#include <CLI/CLI.hpp>

// The subcommands of `sextant scaling`, each in a file of its own (see launch/commands.h).
namespace sextant::launch {

void add_scaling_coordinates(CLI::App& scaling);  // launch/scaling_coordinates.cpp
void add_scaling_fit(CLI::App& scaling);          // launch/scaling_fit.cpp
void add_scaling_task(CLI::App& scaling);         // launch/scaling_task.cpp
void add_scaling_ladder(CLI::App& scaling);       // launch/scaling_ladder.cpp
void add_scaling_predict(CLI::App& scaling);      // launch/scaling_predict.cpp
void add_scaling_outcome(CLI::App& scaling);      // launch/scaling_outcome.cpp

}  // namespace sextant::launch
