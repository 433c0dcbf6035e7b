#include "launch/scaling.h"

#include "launch/commands.h"

namespace sextant::launch {

void add_scaling(CLI::App& app) {
  CLI::App* scaling = app.add_subcommand("scaling", "How models behave as they grow");
  scaling->require_subcommand(1);
  scaling->footer(
      "Example: sextant scaling fit runs.csv --form chinchilla --parameters N --tokens D --loss loss");
  add_scaling_coordinates(*scaling);
  add_scaling_fit(*scaling);
  add_scaling_task(*scaling);
  add_scaling_ladder(*scaling);
  add_scaling_predict(*scaling);
  add_scaling_outcome(*scaling);
}

}  // namespace sextant::launch
