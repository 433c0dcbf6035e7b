#include <memory>

#include "launch/commands.h"
#include "launch/pretraining.h"
#include "launch/yaml_command.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::launch {
namespace {

StageRows open_shards(const trainer::Run& config, const data::Tokenizer&, const data::LoaderShape& train,
                      const data::LoaderShape& valid) {
  StageRows rows;
  rows.train = std::make_unique<data::Loader>(config.data(), train, data::Split::kTrain);
  bool held_out = config.data().valid_size() > 0 || config.data().valid_fraction() > 0;
  if (held_out) rows.valid = std::make_unique<data::Loader>(config.data(), valid, data::Split::kValid);
  return rows;
}

}  // namespace

TrainingStage pretraining() {
  TrainingStage stage;
  stage.open_rows = open_shards;
  stage.loss = [](const trainer::Run& config) {
    return trainer::next_token_loss(config.numerics().loss_chunk());
  };
  stage.config_text = [](const trainer::Run& config) { return trainer::to_yaml(config); };
  return stage;
}

namespace {

int pretrain(const YamlSource& options) {
  RunFile run = read_run(options.file, options.overrides);
  if (run.config.model().head() == trainer::ModelSettings::scalar) {
    trainer::check({{"model.head",
                     "a model with a scalar head predicts no tokens, which is what pretraining "
                     "teaches; remove it"}},
                   run.origins);
  }
  return train_stage(run, pretraining());
}

}  // namespace

void add_pretrain(CLI::App& app) {
  add_yaml_command(
      app, "pretrain", "Train a model on token shards; start it again to go on", "YAML file of the run",
      "Example: mpirun -n 2 sextant pretrain configs/pretrain/quickstart.yaml optimizer.learning_rate=3e-4",
      pretrain);
}

}  // namespace sextant::launch
