
#include "launch/commands.h"
#include "launch/training_session.h"
#include "launch/yaml_command.h"
#include "rlhf/stage_run.h"
#include "rlhf/supervised_rows.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::launch {
namespace {

int sft(const YamlSource& options) {
  rlhf::SupervisedRun settings;
  RunFile run = read_stage(options.file, options.overrides, settings, trainer::ModelSettings::tokens);
  TrainingStage stage;
  stage.open_rows = [&](const trainer::Run& config, const data::Tokenizer& tokenizer,
                        const data::LoaderShape& train, const data::LoaderShape& valid) {
    rlhf::set_base(config, settings);
    rlhf::SupervisedRows rows = rlhf::open_supervised_rows(settings, tokenizer, train, valid);
    return StageRows{std::move(rows.train), std::move(rows.valid), std::move(rows.text)};
  };
  stage.loss = [](const trainer::Run& config) {
    return trainer::next_token_loss(config.numerics().loss_chunk());
  };
  stage.prompt_form = [&](const trainer::Run& config, const data::Tokenizer& tokenizer) {
    return chat_prompts(settings.chat(), config, tokenizer);
  };
  stage.config_text = [&](const trainer::Run& config) {
    rlhf::set_base(config, settings);
    trainer::set_constant_defaults(settings);
    return trainer::to_yaml(settings);
  };
  return train_stage(run, stage);
}

}  // namespace

void add_sft(CLI::App& app) {
  add_yaml_command(
      app, "sft", "Fine-tune a model on conversations; start it again to go on", "YAML file of the run",
      "Example: mpirun -n 2 sextant sft configs/rlhf/quickstart_sft.yaml optimizer.learning_rate=1e-4", sft);
}

}  // namespace sextant::launch
