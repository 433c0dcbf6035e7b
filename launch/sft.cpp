#include <memory>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "launch/training_session.h"
#include "rlhf/stage_run.h"
#include "rlhf/supervised_rows.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::launch {
namespace {

struct SftOptions {
  std::string file;
  std::vector<std::string> overrides;
};

int sft(const SftOptions& options) {
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
  auto options = std::make_shared<SftOptions>();
  CLI::App* command =
      app.add_subcommand("sft", "Fine-tune a model on conversations; start it again to go on");
  command->add_option("file", options->file, "YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, over what the file says");
  command->footer(
      "Example: mpirun -n 2 sextant sft configs/rlhf/quickstart_sft.yaml optimizer.learning_rate=1e-4");
  command->callback([options] {
    if (int code = sft(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sextant::launch
