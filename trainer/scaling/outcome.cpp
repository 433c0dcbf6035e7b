#include "trainer/scaling/outcome.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/scaling/rung_record.h"
#include "trainer/sha256.h"

namespace sextant::trainer {

std::optional<std::string> stored_prediction(const CheckpointReader& checkpoint) {
  for (const Manifest::File& file : checkpoint.manifest().files()) {
    if (file.name() == kPredictionFile) return checkpoint.side_file(kPredictionFile);
  }
  return std::nullopt;
}

std::optional<bool> PredictionOutcome::within_95() const {
  if (!prediction.loss_95) return std::nullopt;
  return prediction.loss_95->low <= loss && loss <= prediction.loss_95->high;
}

PredictionOutcome outcome_of(const std::filesystem::path& run_folder) {
  CheckpointReader checkpoint(run_folder);
  const Run& run = checkpoint.manifest().config();
  std::optional<std::string> text = stored_prediction(checkpoint);
  require(text.has_value(), run_folder.string() +
                                ": this run began without a prediction; `sextant scaling predict` writes one "
                                "before a run's first step");
  std::filesystem::path file = run_folder / kPredictionFile;
  if (std::filesystem::exists(file)) {
    require(data::read_file(file) == *text,
            fmt::format("{}: it is not the prediction that the run began with; that one stands in {}",
                        file.string(), (checkpoint.folder() / kPredictionFile).string()));
  }
  PredictionOutcome outcome;
  outcome.prediction = registration_of(*text, (checkpoint.folder() / kPredictionFile).string());
  outcome.prediction_sha256 = sha256_of(*text);
  outcome.step = checkpoint.manifest().step();
  require_about(outcome.prediction, measured_out("", run, run.model().vocabulary()));
  std::optional<double> loss = held_out_loss_at(run_folder, run.run().steps());
  require(loss.has_value() && outcome.step == run.run().steps(),
          fmt::format("{}: the run is at step {} of {}; its outcome is known after the last one",
                      run_folder.string(), outcome.step, run.run().steps()));
  outcome.loss = *loss;
  return outcome;
}

std::string outcome_table(const PredictionOutcome& outcome) {
  const Registration& foretold = outcome.prediction;
  std::string text =
      fmt::format("{:<12} {:.5f}  held out, after step {}\n", "outcome", outcome.loss, outcome.step);
  text += fmt::format("{:<12} {:.5f}", "predicted", foretold.loss);
  if (foretold.loss_95) {
    text += fmt::format("  95 %: {:.5f} to {:.5f}, {}", foretold.loss_95->low, foretold.loss_95->high,
                        *outcome.within_95() ? "which the outcome is in" : "which the outcome is not in");
  }
  text += fmt::format("\n{:<12} {:+.3f} %\n", "error", 100 * outcome.relative_error());
  text += fmt::format("{:<12} {} from {} runs, registered {}\n", "law", foretold.law, foretold.points,
                      foretold.registered_at);
  return text + fmt::format("{:<12} {}, as the checkpoint of step {} holds it\n", "sha256",
                            outcome.prediction_sha256, outcome.step);
}

std::string outcome_json(const PredictionOutcome& outcome) {
  nlohmann::ordered_json json = {{"prediction", nlohmann::ordered_json::parse(to_json(outcome.prediction))},
                                 {"prediction_sha256", outcome.prediction_sha256},
                                 {"step", outcome.step},
                                 {"loss", outcome.loss},
                                 {"relative_error", outcome.relative_error()}};
  if (auto within = outcome.within_95()) json["within_95"] = *within;
  return json.dump(2) + "\n";
}

}  // namespace sextant::trainer
