#include "launch/rubric.h"

#include "launch/commands.h"

namespace sextant::launch {

void add_rubric(CLI::App& app) {
  CLI::App* rubric =
      app.add_subcommand("rubric", "What a rubric's sources are worth, and how often they are right");
  rubric->require_subcommand(1);
  rubric->footer("Example: sextant rubric grade configs/rlhf/labelled_answers.yaml");
  add_rubric_fit(*rubric);
  add_rubric_grade(*rubric);
}

}  // namespace sextant::launch
