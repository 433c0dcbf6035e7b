#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "data/durable_file.h"
#include "launch/machine.h"
#include "launch/scaling.h"
#include "launch/yaml_command.h"
#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"
#include "trainer/model/model_rules.h"
#include "trainer/scaling/coordinate_plot.h"

namespace sextant::launch {
namespace {

struct CoordinateOptions : YamlSource {
  trainer::CoordinateCheck check;
  std::string csv, svg;
};

// Random tokens serve where a tokenizer would have to say how many there are.
constexpr int64_t kVocabulary = 512;

void check_widths(const trainer::Run& run, const trainer::CoordinateCheck& check) {
  require(check.widths.size() >= 2, "--widths: growth is seen over two widths or more, such as 64,128,256");
  for (int64_t width : check.widths) {
    trainer::Run other = run;
    *other.mutable_model() = trainer::at_width(run.model(), width);
    trainer::check(trainer::model_complaints(other.model()), {});
  }
}

void coordinates(const CoordinateOptions& options) {
  trainer::Origins origins;
  trainer::Run run = trainer::load_run(options.file, options.overrides, &origins);
  trainer::check(trainer::model_complaints(run.model()), origins);
  trainer::fill_defaults(run, kVocabulary);
  check_widths(run, options.check);
  share_out_threads(1);
  auto found = trainer::coordinates(run, options.check);
  std::fputs(trainer::coordinates_table(found).c_str(), stdout);
  if (!options.csv.empty()) data::write_file(options.csv, trainer::coordinates_csv(found));
  if (!options.svg.empty()) data::write_file(options.svg, trainer::coordinates_svg(found, options.file));
}

}  // namespace

void add_scaling_coordinates(CLI::App& scaling) {
  auto options = std::make_shared<CoordinateOptions>();
  CLI::App* command = scaling.add_subcommand(
      "coordinates", "Train a few updates at several widths and say how activations grow: the check of muP");
  add_yaml(*command, *options, "YAML file of a run");
  command->add_option("--widths", options->check.widths, "model.width of each model, such as 64,128,256")
      ->delimiter(',')
      ->required();
  command->add_option("--updates", options->check.updates, "Updates of each model")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--rows", options->check.rows, "Rows of random tokens")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--csv", options->csv, "Write every number to this file");
  command->add_option("--svg", options->svg, "Draw the changes into this file");
  command->footer(
      "Example: sextant scaling coordinates configs/pretrain/quickstart.yaml --widths 96,192,384 "
      "model.mup.base_width=96 --svg coordinates.svg");
  command->callback([options] { coordinates(*options); });
}

}  // namespace sextant::launch
