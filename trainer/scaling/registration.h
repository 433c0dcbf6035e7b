#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/interval.h"
#include "trainer/scaling/fitted_law.h"
#include "trainer/scaling/ladder.h"

namespace sextant::trainer {

// A loss that is foretold, written down before the run that it is about begins.
struct Registration {
  std::string run;  // the name of its folder
  double parameters = 0, tokens = 0, flops = 0;
  std::string law;                  // as people write it
  std::vector<NamedValue> fit;      // its parameters
  double loss = 0;                  // the prediction: held out, in nats a token
  std::optional<Interval> loss_95;  // none without a bootstrap
  std::vector<std::string> doubts;  // what speaks against it (trainer/scaling/fit_doubts.h)
  int64_t points = 0;               // runs that it was fitted to
  std::string points_sha256;        // of the file that they are from
  std::string program;              // that made it
  std::string registered_at;        // UTC, ISO 8601
};

// The file's name, in the run's folder and in each of its checkpoints.
inline constexpr const char* kPredictionFile = "prediction.json";

// Fits `settings.form` (of losses) to the columns parameters (kKaplan: non_embedding), tokens, flops and loss
// of a CSV file such as a ladder's points.csv and predicts the loss of `target`; `settings.place` is not
// read. `program` and `now` (seconds since 1970) go in as they are. Throws Error(kInput) where the points do
// not allow a fit.
Registration predict_loss(const std::filesystem::path& points, const LadderRun& target, FitSettings settings,
                          const std::string& program, int64_t now);

std::string to_json(const Registration& registration);

// Reads what to_json wrote; `name` stands for the file in messages. Throws Error(kInput) where it is
// something else.
Registration registration_of(const std::string& json, const std::string& name);

// The one that counts: what FOLDER/prediction.json holds already, else `fresh`, which is then written there
// durably. Throws Error(kInput) where the run has begun without a prediction, and where the file's stands on
// other points, another law or another run: a prediction is never replaced.
Registration register_once(const std::filesystem::path& folder, const Registration& fresh);

// Throws Error(kInput) unless the prediction is about a run of so many parameters and tokens.
void require_about(const Registration& registration, const LadderRun& run);

}  // namespace sextant::trainer
