#include <cstdio>
#include <memory>
#include <string>

#include "launch/scaling.h"
#include "trainer/scaling/outcome.h"

namespace sextant::launch {

void add_scaling_outcome(CLI::App& scaling) {
  struct OutcomeOptions {
    std::string folder;
    bool json = false;
  };
  auto options = std::make_shared<OutcomeOptions>();
  CLI::App* command =
      scaling.add_subcommand("outcome", "A finished run's held-out loss beside what was foretold of it");
  command->add_option("folder", options->folder, "The run's folder")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: sextant scaling outcome runs/quickstart/pretrain");
  command->callback([options] {
    trainer::PredictionOutcome outcome = trainer::outcome_of(options->folder);
    std::fputs((options->json ? trainer::outcome_json(outcome) : trainer::outcome_table(outcome)).c_str(),
               stdout);
  });
}

}  // namespace sextant::launch
