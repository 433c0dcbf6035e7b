#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "launch/run_start.h"
#include "launch/scaling.h"
#include "launch/version.h"
#include "launch/yaml_command.h"
#include "trainer/scaling/registration.h"
#include "trainer/sha256.h"

namespace sextant::launch {
namespace {

struct PredictOptions : YamlSource {
  std::string points;
  trainer::FitSettings fit;
  bool json = false;
};

void predict_run(PredictOptions options) {
  RunFile run = read_run(options.file, options.overrides);
  auto tokenizer =
      data::Tokenizer::load(run.config.data().tokenizer(), run.config.data().tokenizer_pattern());
  std::filesystem::path folder = run.config.run().folder();
  trainer::LadderRun target =
      trainer::measured_out(folder.filename().string(), run.config, tokenizer.vocabulary());
  options.fit.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  trainer::Registration registered = trainer::register_once(
      folder, trainer::predict_loss(options.points, target, options.fit, program_text(), std::time(nullptr)));
  std::string text = to_json(registered);
  if (options.json) {
    std::fputs(text.c_str(), stdout);
    return;
  }
  std::printf("%s: %.4g parameters, %.4g tokens, %.3g FLOPs\n", target.name.c_str(), target.parameters,
              target.tokens, target.flops);
  std::printf("held-out loss will come to %.5f", registered.loss);
  if (registered.loss_95)
    std::printf("   95 %%: %.5f to %.5f", registered.loss_95->low, registered.loss_95->high);
  std::printf("\n%s from %ld runs:", registered.law.c_str(), static_cast<long>(registered.points));
  for (const trainer::NamedValue& value : registered.fit)
    std::printf(" %s %.6g", value.name.c_str(), value.value);
  for (const std::string& doubt : registered.doubts) std::printf("\ndoubt: %s", doubt.c_str());
  std::printf("\nregistered %s in %s, sha256 %s\n", registered.registered_at.c_str(),
              (folder / trainer::kPredictionFile).c_str(), trainer::sha256_of(text).c_str());
}

}  // namespace

void add_scaling_predict(CLI::App& scaling) {
  auto options = std::make_shared<PredictOptions>();
  options->fit.form = trainer::ScalingForm::kLoss;
  CLI::App* command = scaling.add_subcommand(
      "predict", "Foretell a run's held-out loss and register that before the run begins");
  add_yaml(*command, *options, "YAML file of the run");
  command
      ->add_option(
          "--points", options->points,
          "CSV file with columns parameters, non_embedding, tokens, flops, loss: a ladder's points.csv")
      ->required();
  command
      ->add_option("--form", options->fit.form,
                   "loss: a C^b + c over FLOPs; chinchilla: E + A/N^alpha + B/D^beta over parameters and "
                   "tokens; kaplan: "
                   "[(A/N^alpha)^(1/beta) + B^(1/beta)/D]^beta over parameters without embeddings and tokens")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, trainer::ScalingForm>{{"loss", trainer::ScalingForm::kLoss},
                                                      {"chinchilla", trainer::ScalingForm::kChinchilla},
                                                      {"kaplan", trainer::ScalingForm::kKaplan}}));
  command->add_option("--bootstrap", options->fit.draws, "Draws behind the interval; 0: none")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command->add_option("--seed", options->fit.seed, "Of the bootstrap's draws")->capture_default_str();
  command->add_flag("--json", options->json, "Print prediction.json");
  command->footer(
      "Example: sextant scaling predict configs/pretrain/quickstart.yaml --points runs/ladder/points.csv");
  command->callback([options] { predict_run(*options); });
}

}  // namespace sextant::launch
