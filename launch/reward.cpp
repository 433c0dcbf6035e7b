#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "launch/training_session.h"
#include "launch/yaml_command.h"
#include "rlhf/pairwise_loss.h"
#include "rlhf/reward_report.h"
#include "rlhf/reward_rows.h"
#include "rlhf/score_bias.h"
#include "rlhf/stage_run.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::launch {
namespace {

// Rules that only a reward model has.
void check_reward(const RunFile& run) {
  std::vector<trainer::Complaint> found;
  if (run.config.model().head() != trainer::ModelSettings::scalar)
    found.push_back({"model.head", "a reward model has a scalar head; remove it"});
  if (run.config.run().sample_prompts_size() > 0)
    found.push_back({"run.sample_prompts", "a reward model writes no text; remove them"});
  trainer::check(found, run.origins);
}

void say(const parallel::Group& world, const std::string& text) {
  if (world.rank() != Rank(0)) return;
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

class RewardTraining {
 public:
  explicit RewardTraining(rlhf::RewardRun& settings) : settings_(settings) {}

  TrainingStage stage() {
    TrainingStage stage;
    stage.open_rows = [this](const trainer::Run& config, const data::Tokenizer& tokenizer,
                             const data::LoaderShape& train, const data::LoaderShape& valid) {
      rlhf::set_base(config, settings_);
      rlhf::RewardRows rows = rlhf::open_reward_rows(settings_, tokenizer, train, valid);
      demonstrations_ = std::move(rows.demonstrations);
      return StageRows{std::move(rows.train), std::move(rows.valid), std::move(rows.text)};
    };
    stage.loss = [](const trainer::Run&) { return rlhf::pairwise_loss(); };
    stage.measure = [](const trainer::Assembly& assembly, const trainer::HeldOut& held_out,
                       parallel::Group& world) {
      rlhf::PreferenceReport report =
          rlhf::measure_preferences(assembly.passes(), held_out, assembly.mesh().data(), world);
      say(world, fmt::format("held out: accuracy {:.4f} on {:.0f} pairs, calibration error {:.4f}, Brier "
                             "{:.4f}",
                             report.accuracy, report.pairs, report.calibration_error, report.brier));
      return rlhf::scalars_of(report);
    };
    stage.complete = [this](const trainer::Assembly& assembly, parallel::Group& world) {
      say(world, "every demonstration is scored once, for the head's bias");
      double mean = rlhf::centre_scores(assembly, *demonstrations_, world);
      say(world, fmt::format("demonstrations scored {:.4f} on average; the bias now makes that 0", mean));
    };
    stage.config_text = [this](const trainer::Run& config) {
      rlhf::set_base(config, settings_);
      trainer::set_constant_defaults(settings_);
      return trainer::to_yaml(settings_);
    };
    return stage;
  }

 private:
  rlhf::RewardRun& settings_;
  std::unique_ptr<data::Loader> demonstrations_;
};

int reward(const YamlSource& options) {
  rlhf::RewardRun settings;
  RunFile run = read_stage(options.file, options.overrides, settings, trainer::ModelSettings::scalar);
  check_reward(run);
  RewardTraining training(settings);
  return train_stage(run, training.stage());
}

}  // namespace

void add_reward(CLI::App& app) {
  add_yaml_command(
      app, "reward", "Train a reward model on comparisons; start it again to go on", "YAML file of the run",
      "Example: mpirun -n 2 sextant reward configs/rlhf/quickstart_reward.yaml run.steps=100", reward);
}

}  // namespace sextant::launch
