#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "launch/yaml_command.h"
#include "parallel/schedule_check.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"
#include "trainer/model/stages.h"

namespace sextant::launch {
namespace {

struct Options : YamlSource {
  int64_t microbatches = 0;  // 0: as the file has it
};

int64_t microbatches_of(const trainer::Run& run) {
  int64_t data = run.parallel().has_data() ? run.parallel().data() : 1;
  return std::max<int64_t>(1, run.run().global_batch() / (run.run().micro_batch() * data));
}

// The layers of each stage; the cut follows from the vocabulary, which follows from the tokenizer.
std::string layers_text(const trainer::Run& run) {
  if (run.parallel().stage_layers().empty() && !run.model().has_vocabulary()) {
    return "balanced once the tokenizer's vocabulary is known; give model.vocabulary to see it";
  }
  std::vector<int64_t> layers;
  for (const trainer::LayerRange& range : trainer::stage_ranges(run.model(), run.parallel())) {
    layers.push_back(range.last - range.first);
  }
  return fmt::format("{}", fmt::join(layers, " "));
}

void print_schedule(const Options& options) {
  trainer::Origins origins;
  trainer::Run run = trainer::load_run(options.file, options.overrides, &origins);
  trainer::check(trainer::complaints(run, 0), origins);
  trainer::fill_defaults(run, 0);
  int64_t microbatches = options.microbatches > 0 ? options.microbatches : microbatches_of(run);
  parallel::Schedule schedule =
      parallel::make_schedule(parallel::schedule_shape(run.parallel(), microbatches));
  parallel::check_schedule(schedule);
  parallel::Playback playback = parallel::play(schedule);
  fmt::print("{}: {} rank{} of {} stage{}, {} microbatch{}\n", parallel::schedule_name(schedule.shape.kind),
             schedule.shape.ranks, schedule.shape.ranks == 1 ? "" : "s", schedule.shape.chunks,
             schedule.shape.chunks == 1 ? "" : "s", microbatches, microbatches == 1 ? "" : "es");
  fmt::print("layers of each stage: {}\n", layers_text(run));
  std::fputs(parallel::schedule_text(schedule).c_str(), stdout);
  fmt::print("bubble {:.1f} % of {} units of time; microbatches{} kept at most, by rank: {}\n",
             100 * playback.bubble_fraction(), playback.end, schedule.shape.chunks == 1 ? "" : " of a stage",
             fmt::join(parallel::peak_activations(schedule), " "));
}

}  // namespace

void add_schedule(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("schedule", "Draw a pipeline schedule, with its bubble and what ranks keep");
  add_yaml(*command, *options, "YAML file of the run");
  command
      ->add_option("--microbatches", options->microbatches, "Microbatches of a step, instead of the file's")
      ->check(CLI::PositiveNumber);
  command->footer(
      "F forward, B backward, I and W its gradients of inputs and of weights, with the microbatch's number; "
      "a\n"
      "letter tells the stages of a rank apart. F, I and W take a unit of time, B two.\n"
      "Example: sextant schedule configs/pretrain/gpt2_124m.yaml parallel.pipeline=4 "
      "parallel.schedule=zero_bubble");
  command->callback([options] { print_schedule(*options); });
}

}  // namespace sextant::launch
