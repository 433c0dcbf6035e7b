#include "trainer/report/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "data/chat/object_lines.h"
#include "parallel/base/error.h"
#include "trainer/report/known_json.h"
#include "trainer/report/metrics_table.h"
#include "trainer/report/run_starts.h"
#include "trainer/report/thinning.h"
#include "trainer/scaling/outcome.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kMostPoints = 2000;     // of a curve
constexpr size_t kMostSampleSteps = 40;  // whose samples are shown
constexpr size_t kMostSamples = 16;      // of a step

// Six digits are more than a screen shows.
double rounded(double value) {
  return value == 0 || !std::isfinite(value) ? value : std::stod(fmt::format("{:.6g}", value));
}

// Curves that keep the same lines share an axis.
class Curves {
 public:
  explicit Curves(const MetricsTable& table) : table_(table) {}

  void add(const std::string& name, const MetricColumn& column) {
    std::vector<size_t> lines;
    ordered_json y = ordered_json::array();
    for (size_t i : thinned(column.values, kMostPoints)) {
      lines.push_back(column.lines[i]);
      y.push_back(rounded(column.values[i]));
    }
    curves_[name] = {{"axis", axis_of(lines)}, {"y", std::move(y)}};
  }

  void write(ordered_json& run) {
    run["axes"] = std::move(axes_);
    run["curves"] = std::move(curves_);
  }

 private:
  const MetricsTable& table_;
  std::map<std::vector<size_t>, size_t> known_;
  ordered_json axes_ = ordered_json::array(), curves_ = ordered_json::object();

  size_t axis_of(const std::vector<size_t>& lines) {
    auto [known, fresh] = known_.try_emplace(lines, axes_.size());
    if (!fresh) return known->second;
    ordered_json steps = ordered_json::array(), tokens = ordered_json::array();
    for (size_t line : lines) {
      steps.push_back(table_.steps[line]);
      tokens.push_back(table_.tokens[line]);
    }
    axes_.push_back({{"step", std::move(steps)}, {"tokens", std::move(tokens)}});
    return known->second;
  }
};

// A line's step_seconds is a mean over the steps since the line before.
double training_seconds(const MetricsTable& table) {
  auto found = table.columns.find("step_seconds");
  if (found == table.columns.end()) return 0;
  double seconds = 0;
  int64_t before = 0;
  for (size_t i = 0; i < found->second.lines.size(); ++i) {
    int64_t step = table.steps[found->second.lines[i]];
    seconds += found->second.values[i] * static_cast<double>(std::max<int64_t>(0, step - before));
    before = step;
  }
  return seconds;
}

ordered_json final_values(const MetricsTable& table) {
  ordered_json last{{"step", table.steps.back()}, {"tokens", table.tokens.back()}};
  if (double seconds = training_seconds(table); seconds > 0) last["training_seconds"] = seconds;
  for (const auto& [name, column] : table.columns) {
    if (!column.values.empty()) last[name] = column.values.back();
  }
  return last;
}

void note_metrics(const MetricsTable& table, ordered_json& notes) {
  if (table.damaged_lines > 0)
    notes.push_back(fmt::format("{} damaged line{} of metrics.jsonl left out; the first is {}",
                                table.damaged_lines, table.damaged_lines == 1 ? "" : "s",
                                table.first_damage));
  for (const auto& [name, column] : table.columns) {
    if (column.not_finite == 0 || name == "mfu") continue;  // mfu: the hardware's peak is not known
    notes.push_back(fmt::format("{} was not finite in {} line{}, first at step {}", name, column.not_finite,
                                column.not_finite == 1 ? "" : "s", column.first_not_finite));
  }
}

// Of the first, the last and steps between, equally far apart.
ordered_json samples_of(const fs::path& file, ordered_json& notes) {
  std::map<int64_t, ordered_json> by_step;
  data::LineCounts counts =
      data::each_object(file, data::ChatSettings::skip, [&](const nlohmann::json& object) {
        auto step = object.find("step");
        require(step != object.end() && step->is_number_integer(), "no \"step\"");
        ordered_json& some = by_step.try_emplace(step->get<int64_t>(), ordered_json::array()).first->second;
        if (some.size() >= kMostSamples) return;
        some.push_back(shortened(object));
      });
  if (counts.left_out > 0)
    notes.push_back(fmt::format("{} damaged line{} of samples.jsonl left out; the first is {}",
                                counts.left_out, counts.left_out == 1 ? "" : "s", counts.first_fault));
  std::vector<ordered_json*> steps;
  steps.reserve(by_step.size());
  for (auto& [step, some] : by_step) steps.push_back(&some);
  ordered_json samples = ordered_json::array();
  size_t shown = std::min(steps.size(), kMostSampleSteps);
  for (size_t i = 0; i < shown; ++i) {
    size_t step = shown == 1 ? 0 : i * (steps.size() - 1) / (shown - 1);
    for (ordered_json& sample : *steps[step]) samples.push_back(std::move(sample));
  }
  return samples;
}

// What was foretold of the run before it began, and what came (docs/scaling.md).
void add_prediction(const fs::path& folder, ordered_json& run) {
  if (!fs::exists(folder / kPredictionFile)) return;
  try {
    PredictionOutcome outcome = outcome_of(folder);
    run["prediction"] = ordered_json::parse(to_json(outcome.prediction));
    run["prediction"]["sha256"] = outcome.prediction_sha256;
    run["prediction"]["outcome"] = outcome.loss;
    run["prediction"]["relative_error"] = outcome.relative_error();
  } catch (const Error& error) {
    run["notes"].push_back(fmt::format("no outcome of the prediction: {}", error.what()));
  }
}

ordered_json settings_of(const RunConfig& config) {
  ordered_json settings = ordered_json::array();
  for (const RunSetting& one : config.settings) {
    settings.push_back(
        {{"key", one.key}, {"value", one.value}, {"default", one.by_default}, {"changed", one.changed}});
  }
  return settings;
}

}  // namespace

ordered_json training_run(const fs::path& folder, const KindOfFile& kind) {
  MetricsTable table = read_metrics(folder / "metrics.jsonl");
  require(!table.steps.empty(),
          fmt::format("{}: no line of a step in metrics.jsonl; the run has not begun{}", folder.string(),
                      table.damaged_lines > 0 ? ", or is damaged: " + table.first_damage : ""));
  ordered_json run{{"stage", ""}, {"notes", ordered_json::array()}, {"final", final_values(table)}};
  note_metrics(table, run["notes"]);
  Curves curves(table);
  for (const auto& [name, column] : table.columns) {
    if (!column.values.empty()) curves.add(name, column);
  }
  curves.write(run);
  run["starts"] = ordered_json::array();
  for (const RunStart& start : run_starts(folder))
    run["starts"].push_back({{"seconds", start.seconds}, {"from_step", start.from_step}});
  run["samples"] = ordered_json::array();
  if (fs::exists(folder / "samples.jsonl"))
    run["samples"] = samples_of(folder / "samples.jsonl", run["notes"]);
  add_prediction(folder, run);
  try {
    RunConfig config = read_run_config(folder / "config.yaml", kind);
    run["stage"] = config.stage;
    run["settings"] = settings_of(config);
  } catch (const Error& error) {
    run["notes"].push_back(fmt::format("no settings: {}", error.what()));
  }
  return run;
}

}  // namespace sextant::trainer
