#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "launch/scaling.h"
#include "parallel/base/error.h"
#include "trainer/config/complaint.h"
#include "trainer/scaling/capability.h"
#include "trainer/scaling/fit_doubts.h"
#include "trainer/scaling/fitted_law.h"
#include "trainer/scaling/points.h"

namespace sextant::launch {
namespace {

using Json = nlohmann::ordered_json;
using trainer::ScalingForm;

struct FitOptions {
  std::string file;
  ScalingForm form = ScalingForm::kChinchilla;
  trainer::PointColumns columns;
  std::string pass_rate, bucket;
  std::vector<std::string> left_out;
  size_t drop_highest = 0, draws = 1000;
  uint64_t seed = 1;
  double at_parameters = 0, at_tokens = 0, at_flops = 0;
  bool json = false;
};

int fit_threads() {
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

// The place that is to be predicted, as logarithms of the law's variables; none where none was asked for.
std::optional<std::vector<double>> target(const FitOptions& options) {
  double n = options.at_parameters, d = options.at_tokens, c = options.at_flops;
  if (n == 0 && d == 0 && c == 0) return std::nullopt;
  if (trainer::is_of_size_and_tokens(options.form)) {
    require(n > 0 && (d > 0) != (c > 0),
            "a prediction of this form wants --at-parameters and --at-tokens, or "
            "--at-parameters and --at-flops");
    return std::vector<double>{std::log(n), std::log(d > 0 ? d : c / (6 * n))};
  }
  require(c > 0 ? n == 0 && d == 0 : n > 0 && d > 0,
          "a prediction of this form wants --at-flops, or --at-parameters and --at-tokens");
  return std::vector<double>{std::log(c > 0 ? c : 6 * n * d)};
}

trainer::FittedLaw fitted_law(const trainer::LogPoints& points, const FitOptions& options) {
  return trainer::fit_law(points,
                          {options.form, options.draws, options.seed, fit_threads(), target(options)});
}

Json to_json(const trainer::FittedLaw& fitted, const FitOptions& options) {
  Json json;
  json["points"] = fitted.points;
  json["starts"] = fitted.starts;
  json["objective"] = fitted.best.value;
  json["converged"] = fitted.best.converged;
  for (const trainer::NamedValue& value : fitted.values) json["fit"][value.name] = value.value;
  json["at_bound"] = fitted.at_bound;
  json["bootstrap_draws"] = options.draws;
  for (size_t i = 0; i < fitted.intervals.size(); ++i) {
    json["intervals"][fitted.values[i].name + "_95"] = {fitted.intervals[i].low, fitted.intervals[i].high};
  }
  if (fitted.prediction) {
    json["prediction"]["value"] = *fitted.prediction;
    if (fitted.prediction_interval) {
      json["prediction"]["value_95"] = {fitted.prediction_interval->low, fitted.prediction_interval->high};
    }
  }
  return json;
}

void print(const trainer::FittedLaw& fitted, const FitOptions& options) {
  std::printf("%zu points, %zu starts, sum of Huber losses %.9g%s\n", fitted.points, fitted.starts,
              fitted.best.value, fitted.best.converged ? "" : " (not converged)");
  for (size_t i = 0; i < fitted.values.size(); ++i) {
    std::string interval;
    if (!fitted.intervals.empty()) {
      interval = fmt::format("   95 %: {:.5g} to {:.5g}", fitted.intervals[i].low, fitted.intervals[i].high);
    }
    std::printf("  %-6s %-12.6g%s\n", fitted.values[i].name.c_str(), fitted.values[i].value,
                interval.c_str());
  }
  for (const std::string& name : fitted.at_bound) {
    std::printf("  %s stands at a bound of the fit: the points do not say what it is\n", name.c_str());
  }
  if (fitted.prediction) {
    std::string interval;
    if (fitted.prediction_interval) {
      interval = fmt::format("   95 %: {:.5f} to {:.5f}", fitted.prediction_interval->low,
                             fitted.prediction_interval->high);
    }
    std::printf("  predicted %.6f%s\n", *fitted.prediction, interval.c_str());
  }
  if (!fitted.intervals.empty()) {
    std::printf("  intervals: %zu draws of the points with replacement, quantiles 0.025 and 0.975\n",
                options.draws);
  }
}

std::string conventions(const FitOptions& options) {
  if (!trainer::is_of_size_and_tokens(options.form)) {
    if (!options.columns.flops.empty())
      return "C: column " + trainer::shown(options.columns.flops) + " as it stands";
    return "C = 6 N D, N and D as the columns have them";
  }
  if (options.columns.flops.empty())
    return "D: column " + trainer::shown(options.columns.tokens) + " as it stands";
  return "D = C / (6 N), C: column " + trainer::shown(options.columns.flops);
}

void fit_points(const FitOptions& options) {
  require(options.pass_rate.empty() && options.bucket.empty() && options.left_out.empty(),
          "--pass-rate, --bucket and --leave-out belong to --form capability");
  trainer::Points points =
      trainer::read_points(options.file, options.columns, options.form, options.drop_highest);
  target(options);  // told before the work
  trainer::FittedLaw fitted = fitted_law(points.logs, options);
  std::vector<std::string> doubts = trainer::fit_doubts(options.form, points.logs, fitted);
  if (!options.json) {
    std::printf("%s    (%s)\n%zu of %zu runs of %s, the %zu highest losses dropped\n",
                trainer::form_formula(options.form), conventions(options).c_str(),
                points.records - points.dropped, points.records, options.file.c_str(), points.dropped);
    print(fitted, options);
    for (const std::string& doubt : doubts) std::printf("  doubt: %s\n", doubt.c_str());
    if (trainer::is_of_size_and_tokens(options.form)) {  // alpha and beta come last in both
      double alpha = fitted.values[fitted.values.size() - 2].value, beta = fitted.values.back().value;
      std::printf("  least loss for C = 6 N D: N grows as C^%.3f, D as C^%.3f\n", beta / (alpha + beta),
                  alpha / (alpha + beta));
    }
    return;
  }
  Json json = {{"form", trainer::form_name(options.form)},
               {"formula", trainer::form_formula(options.form)},
               {"flops", conventions(options)},
               {"file", options.file},
               {"dropped", points.dropped}};
  json.update(to_json(fitted, options));
  json["doubts"] = doubts;
  std::printf("%s\n", json.dump(2).c_str());
}

// Every bucket has a law of its own.
void fit_capability(const FitOptions& options) {
  require(!options.columns.flops.empty(), "--flops COLUMN is missing: how much compute trained the model?");
  require(
      options.columns.loss.empty() && options.columns.parameters.empty() && options.columns.tokens.empty(),
      "--form capability with --pass-rate reads no other column than --flops and --bucket");
  require(options.drop_highest == 0, "--drop-highest belongs to losses; leave buckets out with --leave-out");
  target(options);
  auto buckets = trainer::read_capability(
      options.file, {options.columns.flops, options.pass_rate, options.bucket}, options.left_out);
  Json list = Json::array();
  if (!options.json)
    std::printf("%s    (%s)\n", trainer::form_formula(options.form), conventions(options).c_str());
  for (const trainer::CapabilityBucket& bucket : buckets) {
    trainer::FittedLaw fitted = fitted_law(bucket.points, options);
    if (options.json) {
      Json one = {{"bucket", bucket.name}, {"records", bucket.problems}};
      one.update(to_json(fitted, options));
      list.push_back(one);
    } else {
      std::printf("%s%s%zu records, ", bucket.name.c_str(), bucket.name.empty() ? "" : ": ", bucket.problems);
      print(fitted, options);
    }
  }
  if (!options.json) return;
  Json json = {{"form", trainer::form_name(options.form)},
               {"formula", trainer::form_formula(options.form)},
               {"flops", conventions(options)},
               {"file", options.file},
               {"buckets", list}};
  std::printf("%s\n", json.dump(2).c_str());
}

}  // namespace

void add_scaling_fit(CLI::App& scaling) {
  auto options = std::make_shared<FitOptions>();
  CLI::App* command = scaling.add_subcommand("fit", "Fit a scaling law to runs in a CSV file");
  command->add_option("file", options->file, "CSV file with a header line, a run a line")->required();
  command
      ->add_option(
          "--form", options->form,
          "chinchilla: E + A/N^alpha + B/D^beta; kaplan: [(A/N^alpha)^(1/beta) + B^(1/beta)/D]^beta; "
          "loss: a C^b + c; capability: alpha C^-k for -E[log pass rate]")
      ->transform(CLI::CheckedTransformer(std::map<std::string, ScalingForm>{
          {trainer::form_name(ScalingForm::kChinchilla), ScalingForm::kChinchilla},
          {trainer::form_name(ScalingForm::kKaplan), ScalingForm::kKaplan},
          {trainer::form_name(ScalingForm::kLoss), ScalingForm::kLoss},
          {trainer::form_name(ScalingForm::kCapability), ScalingForm::kCapability}}))
      ->required();
  command->add_option("--parameters", options->columns.parameters, "Column of model sizes N");
  command->add_option("--tokens", options->columns.tokens, "Column of training tokens D");
  command->add_option("--flops", options->columns.flops,
                      "Column of training compute C; tokens are C / (6 N) then");
  command->add_option("--loss", options->columns.loss, "Column of final losses (or of -E[log pass rate])");
  command->add_option("--pass-rate", options->pass_rate,
                      "Column of pass rates, a problem at one compute a line");
  command->add_option("--bucket", options->bucket,
                      "Column of difficulty buckets; each gets a law of its own");
  command->add_option("--leave-out", options->left_out, "Buckets to leave out, such as the hardest")
      ->delimiter(',');
  command->add_option("--drop-highest", options->drop_highest, "Leave out so many of the highest losses")
      ->capture_default_str();
  command->add_option("--bootstrap", options->draws, "Draws behind the intervals; 0: no intervals")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of the bootstrap's draws")->capture_default_str();
  command->add_option("--at-parameters", options->at_parameters, "Predict for this model size")
      ->check(CLI::PositiveNumber);
  command->add_option("--at-tokens", options->at_tokens, "Predict for so many tokens")
      ->check(CLI::PositiveNumber);
  command->add_option("--at-flops", options->at_flops, "Predict for so much compute")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Example: sextant scaling fit runs.csv --form chinchilla --parameters N --tokens D --loss loss "
      "--at-parameters 7e9 --at-tokens 2e12");
  command->callback([options] {
    if (options->pass_rate.empty())
      fit_points(*options);
    else if (options->form == ScalingForm::kCapability)
      fit_capability(*options);
    else
      fail_input("--pass-rate belongs to --form capability");
  });
}

}  // namespace sextant::launch
