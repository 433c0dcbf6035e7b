#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launch/scaling.h"
#include "launch/yaml_command.h"
#include "trainer/config/load.h"
#include "trainer/scaling/task_prediction.h"

namespace sextant::launch {
namespace {

struct TaskOptions : YamlSource {
  bool json = false;
};

double relative(double predicted, double actual) {
  return predicted / actual - 1;
}

nlohmann::ordered_json prediction_json(const trainer::TaskPrediction& one) {
  return {{"parameters", one.parameters},
          {"tokens", one.tokens},
          {"loss", {{"actual", one.actual.loss}, {"predicted", one.loss}}},
          {"accuracy",
           {{"actual", one.actual.accuracy},
            {"predicted", one.accuracy},
            {"predicted_from_actual_loss", one.accuracy_from_loss},
            {"relative_error", relative(one.accuracy, one.actual.accuracy)}}}};
}

void print_json(const std::vector<trainer::TaskFit>& fits) {
  auto tasks = nlohmann::ordered_json::array();
  for (const trainer::TaskFit& fit : fits) {
    auto predictions = nlohmann::ordered_json::array();
    for (const trainer::TaskPrediction& one : fit.predictions) predictions.push_back(prediction_json(one));
    tasks.push_back({{"task", fit.name},
                     {"log_A", fit.law[0]},
                     {"log_B", fit.law[1]},
                     {"alpha", fit.law[2]},
                     {"beta", fit.law[3]},
                     {"log_E", fit.law[4]},
                     {"objective", fit.objective},
                     {"fit_error", fit.fit_error},
                     {"height", fit.sigmoid.height},
                     {"middle", fit.sigmoid.middle},
                     {"slope", fit.sigmoid.slope},
                     {"floor", fit.sigmoid.floor},
                     {"predictions", predictions}});
  }
  std::printf("%s\n", nlohmann::ordered_json{{"tasks", tasks}}.dump(2).c_str());
}

void print_table(const std::vector<trainer::TaskFit>& fits) {
  std::printf(
      "loss(N, D) = E + A / N^alpha + B / D^beta; accuracy(loss) = floor + height / (1 + exp(-slope (loss "
      "- middle)))\n%-28s %9s %9s | %8s %8s %8s | %8s %8s %8s\n",
      "task", "N", "D", "loss", "actual", "error", "accuracy", "actual", "error");
  for (const trainer::TaskFit& fit : fits) {
    for (const trainer::TaskPrediction& one : fit.predictions) {
      std::printf("%-28s %9.3g %9.3g | %8.4f %8.4f %7.1f%% | %8.4f %8.4f %7.1f%%\n", fit.name.c_str(),
                  one.parameters, one.tokens, one.loss, one.actual.loss,
                  100 * relative(one.loss, one.actual.loss), one.accuracy, one.actual.accuracy,
                  100 * relative(one.accuracy, one.actual.accuracy));
    }
  }
}

void predict(const TaskOptions& options) {
  trainer::TaskLadder ladder;
  trainer::Origins origins;
  trainer::load_config(options.file, options.overrides, ladder, &origins);
  trainer::check(trainer::task_ladder_complaints(ladder), origins);
  std::vector<trainer::TaskFit> fits = trainer::predict_tasks(ladder);
  options.json ? print_json(fits) : print_table(fits);
}

}  // namespace

void add_scaling_task(CLI::App& scaling) {
  auto options = std::make_shared<TaskOptions>();
  CLI::App* command = scaling.add_subcommand(
      "task", "Predict a big run's task accuracies from the logs of small runs, in two steps");
  add_yaml(*command, *options, "YAML file of runs and tasks (docs/scaling.md)");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: sextant scaling task configs/ladders/olmo_tasks.yaml logs_folder=ladder-runs");
  command->callback([options] { predict(*options); });
}

}  // namespace sextant::launch
