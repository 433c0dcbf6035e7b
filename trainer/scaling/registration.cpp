#include "trainer/scaling/registration.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/scaling/fit_doubts.h"
#include "trainer/sha256.h"

namespace sextant::trainer {
namespace {

using RegistrationJson = nlohmann::ordered_json;

constexpr uint64_t kLongestRegistration = uint64_t{1} << 20;
constexpr uint64_t kLongestPoints = uint64_t{1} << 28;

PointColumns columns_of(ScalingForm form) {
  PointColumns columns;
  columns.loss = "loss";
  if (form == ScalingForm::kLoss) {
    columns.flops = "flops";
  } else {
    columns.parameters = form == ScalingForm::kKaplan ? "non_embedding" : "parameters";
    columns.tokens = "tokens";
  }
  return columns;
}

bool is_same(const Registration& a, const Registration& b) {
  return a.points_sha256 == b.points_sha256 && a.law == b.law && a.parameters == b.parameters &&
         a.tokens == b.tokens && a.flops == b.flops;
}

}  // namespace

Registration predict_loss(const std::filesystem::path& points, const LadderRun& target, FitSettings settings,
                          const std::string& program, int64_t now) {
  Points read = read_points(points, columns_of(settings.form), settings.form, 0);
  settings.place = std::vector<double>{std::log(target.flops)};
  if (is_of_size_and_tokens(settings.form)) {
    double size = settings.form == ScalingForm::kKaplan ? target.non_embedding : target.parameters;
    settings.place = std::vector<double>{std::log(size), std::log(target.tokens)};
  }
  FittedLaw fitted = fit_law(read.logs, settings);
  Registration made;
  made.run = target.name;
  made.parameters = target.parameters;
  made.tokens = target.tokens;
  made.flops = target.flops;
  made.law = form_formula(settings.form);
  made.fit = fitted.values;
  made.loss = *fitted.prediction;
  made.loss_95 = fitted.prediction_interval;
  made.doubts = fit_doubts(settings.form, read.logs, fitted);
  made.points = static_cast<int64_t>(read.logs.size());
  made.points_sha256 = sha256_of(data::read_file(points, kLongestPoints));
  made.program = program;
  made.registered_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(now)));
  return made;
}

std::string to_json(const Registration& one) {
  RegistrationJson json = {
      {"run", one.run}, {"parameters", one.parameters},      {"tokens", one.tokens}, {"flops", one.flops},
      {"law", one.law}, {"fit", RegistrationJson::object()}, {"loss", one.loss}};
  for (const NamedValue& value : one.fit) json["fit"][value.name] = value.value;
  if (one.loss_95) json["loss_95"] = {one.loss_95->low, one.loss_95->high};
  if (!one.doubts.empty()) json["doubts"] = one.doubts;
  json["points"] = one.points;
  json["points_sha256"] = one.points_sha256;
  json["program"] = one.program;
  json["registered_at"] = one.registered_at;
  return json.dump(2) + "\n";
}

Registration registration_of(const std::string& text, const std::string& name) {
  RegistrationJson json = RegistrationJson::parse(text, nullptr, false);
  Registration read;
  try {
    read.run = json.at("run").get<std::string>();
    read.parameters = json.at("parameters").get<double>();
    read.tokens = json.at("tokens").get<double>();
    read.flops = json.at("flops").get<double>();
    read.law = json.at("law").get<std::string>();
    for (const auto& [key, value] : json.at("fit").items()) read.fit.push_back({key, value.get<double>()});
    read.loss = json.at("loss").get<double>();
    if (json.contains("loss_95")) {
      read.loss_95 = Interval{json["loss_95"].at(0).get<double>(), json["loss_95"].at(1).get<double>()};
    }
    if (json.contains("doubts")) read.doubts = json["doubts"].get<std::vector<std::string>>();
    read.points = json.at("points").get<int64_t>();
    read.points_sha256 = json.at("points_sha256").get<std::string>();
    read.program = json.at("program").get<std::string>();
    read.registered_at = json.at("registered_at").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    fail_input(name + ": it is no prediction of `sextant scaling predict`; take the file away");
  }
  return read;
}

Registration register_once(const std::filesystem::path& folder, const Registration& fresh) {
  std::filesystem::path file = folder / kPredictionFile;
  if (!std::filesystem::exists(file)) {
    require(
        !std::filesystem::exists(folder / "metrics.jsonl"),
        folder.string() + ": this run has begun, so nothing can be foretold of it; give another run.folder");
    std::filesystem::create_directories(folder);
    data::write_file(file, to_json(fresh));
    return fresh;
  }
  Registration old = registration_of(data::read_file(file, kLongestRegistration), file.string());
  require(is_same(old, fresh),
          fmt::format(
              "{}: at {} another prediction was registered: {:.5f} by {} from points of sha256 {:.12}...; "
              "a prediction is not replaced, give the run another folder",
              file.string(), old.registered_at, old.loss, old.law, old.points_sha256));
  return old;
}

void require_about(const Registration& registration, const LadderRun& run) {
  require(
      registration.parameters == run.parameters && registration.tokens == run.tokens,
      fmt::format("{}: it foretells a run of {:.0f} parameters on {:.0f} tokens, but this one has {:.0f} and "
                  "{:.0f}; put the settings back, or give another run.folder",
                  kPredictionFile, registration.parameters, registration.tokens, run.parameters, run.tokens));
}

}  // namespace sextant::trainer
