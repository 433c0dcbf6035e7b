#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "trainer/checkpoint/checkpoint.h"
#include "trainer/scaling/registration.h"

namespace sextant::trainer {

// The prediction that a checkpoint's run began with, as text; none for a run that began without one.
std::optional<std::string> stored_prediction(const CheckpointReader& checkpoint);

// A run's end beside what was foretold of it.
struct PredictionOutcome {
  Registration prediction;
  std::string prediction_sha256;
  int64_t step = 0;  // of the checkpoint that holds the prediction: the run's last
  double loss = 0;   // held out, after the last step
  double relative_error() const { return prediction.loss / loss - 1; }
  std::optional<bool> within_95() const;  // none without an interval
};

// Of a run that has come to its last step. Throws Error(kInput) where the run is not there yet, began without
// a prediction, was another run than was foretold, or FOLDER/prediction.json is no longer what its newest
// checkpoint holds.
PredictionOutcome outcome_of(const std::filesystem::path& run_folder);

// As a table for people, and as JSON.
std::string outcome_table(const PredictionOutcome& outcome);
std::string outcome_json(const PredictionOutcome& outcome);

}  // namespace sextant::trainer
