#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "launch/commands.h"
#include "launch/training_session.h"
#include "launch/yaml_command.h"
#include "rlhf/dpo_rows.h"
#include "rlhf/preference_loss.h"
#include "rlhf/preference_moves.h"
#include "rlhf/stage_run.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::launch {
namespace {

// Rules that only this stage has.
void check_dpo(const RunFile& run) {
  std::vector<trainer::Complaint> found;
  if (!run.config.run().has_start_from())
    found.push_back(
        {"run.start_from",
         "is needed: the policy starts from a model that answers, which stays its reference, such "
         "as the run folder of sextant sft"});
  if (run.config.model().head() == trainer::ModelSettings::scalar)
    found.push_back({"model.head", "a policy has words to say; remove it"});
  trainer::check(found, run.origins);
}

class PreferenceTraining {
 public:
  explicit PreferenceTraining(rlhf::DpoRun& settings) : settings_(settings) {}

  TrainingStage stage() {
    TrainingStage stage;
    stage.open_rows = [this](const trainer::Run& config, const data::Tokenizer& tokenizer,
                             const data::LoaderShape& train, const data::LoaderShape& valid) {
      rlhf::set_base(config, settings_);
      rlhf::DpoRows rows = rlhf::open_dpo_rows(settings_, tokenizer, train, valid);
      references_ = std::move(rows.references);
      return StageRows{std::move(rows.train), std::move(rows.valid), std::move(rows.text)};
    };
    stage.loss = [this](const trainer::Run& config) {
      return rlhf::preference_loss(settings_.dpo(), config.numerics().loss_chunk());
    };
    stage.prompt_form = [this](const trainer::Run& config, const data::Tokenizer& tokenizer) {
      return chat_prompts(settings_.chat(), config, tokenizer);
    };
    stage.learn_from_start = [this](const trainer::Assembly& assembly, parallel::Group& world) {
      rlhf::measure_reference(assembly, settings_.numerics().loss_chunk(), references_, world);
    };
    stage.measure = [this](const trainer::Assembly& assembly, const trainer::HeldOut& held_out,
                           parallel::Group& world) { return measure(assembly, held_out, world); };
    stage.config_text = [this](const trainer::Run& config) {
      rlhf::set_base(config, settings_);
      trainer::set_constant_defaults(settings_);
      return trainer::to_yaml(settings_);
    };
    return stage;
  }

 private:
  rlhf::DpoRun& settings_;
  std::vector<rlhf::ReferenceAnswers> references_;

  trainer::Scalars measure(const trainer::Assembly& assembly, const trainer::HeldOut& held_out,
                           parallel::Group& world) {
    rlhf::PreferenceMoves moves =
        rlhf::measure_moves(settings_.dpo(), settings_.numerics().loss_chunk(), assembly.passes(), held_out,
                            assembly.mesh().data(), world);
    if (world.rank() == Rank(0)) {
      std::printf(
          "%s\n",
          fmt::format("held out: accuracy {:.4f} on {:.0f} pairs, implied rewards {:+.4f} of the better "
                      "answers, {:+.4f} of the worse",
                      moves.report.accuracy, moves.report.pairs, moves.chosen_reward, moves.rejected_reward)
              .c_str());
      std::fflush(stdout);
    }
    return rlhf::scalars_of(moves);
  }
};

int dpo(const YamlSource& options) {
  rlhf::DpoRun settings;
  RunFile run = read_stage(options.file, options.overrides, settings, trainer::ModelSettings::tokens);
  check_dpo(run);
  PreferenceTraining training(settings);
  return train_stage(run, training.stage());
}

}  // namespace

void add_dpo(CLI::App& app) {
  add_yaml_command(app, "dpo",
                   "Train a policy on comparisons, without a reward model; start it again to go on",
                   "YAML file of the run",
                   "Example: mpirun -n 2 sextant dpo configs/rlhf/quickstart_dpo.yaml dpo.beta=0.2", dpo);
}

}  // namespace sextant::launch
