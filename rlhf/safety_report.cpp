#include "rlhf/safety_report.h"

#include <fmt/format.h>

#include <cmath>

namespace sextant::rlhf {
namespace {

using Json = nlohmann::ordered_json;

Json share_json(const Share& share) {
  return {{"share", share.value},
          {"low", share.bounds.low},
          {"high", share.bounds.high},
          {"answers", share.answers},
          {"subjects", share.subjects}};
}

Json percent_of(double before, double after) {
  return before > 0 ? Json(100 * (after / before - 1)) : Json(nullptr);
}

Json model_json(const SafetySettings& settings, const ModelAnswers& model) {
  Json one{{"name", model.name}, {"checkpoint", model.checkpoint}};
  for (const SafetyMeasure& measure : settings.measures())
    one["measures"][measure.name()] = share_json(share_of(counted(measure, model.episodes)));
  if (model.loss) {
    one["valid_loss"] = *model.loss;
    one["perplexity"] = std::exp(*model.loss);
  }
  return one;
}

Json change_json(const SafetySettings& settings, const SafetyMeasure& measure, const ModelAnswers& before,
                 const ModelAnswers& after) {
  Counted first = counted(measure, before.episodes), last = counted(measure, after.episodes);
  ShareChange change = change_of(first, last, settings.resamples(), settings.seed(), measure.name());
  bool well = measure.better() == SafetyMeasure::lower ? change.difference <= 0 : change.difference >= 0;
  return {{"points", 100 * change.difference},
          {"low", 100 * change.bounds.low},
          {"high", 100 * change.bounds.high},
          {"percent", percent_of(share_of(first).value, share_of(last).value)},
          {"better", SafetyMeasure::Better_Name(measure.better())},
          {"not_worse", well}};
}

// What the last model breaks of the gate.
std::vector<std::string> failures_of(const SafetySettings& settings, const Json& report) {
  std::vector<std::string> failures;
  for (const SafetyMeasure& measure : settings.measures()) {
    double share = report["models"].back()["measures"][measure.name()]["share"];
    if (share > measure.most())
      failures.push_back(fmt::format("{} is {:.1f} %, above its bound of {:.1f} %", measure.name(),
                                     100 * share, 100 * measure.most()));
    if (share < measure.least())
      failures.push_back(fmt::format("{} is {:.1f} %, below its bound of {:.1f} %", measure.name(),
                                     100 * share, 100 * measure.least()));
  }
  if (!settings.has_most_perplexity_rise() || !report.contains("perplexity_rise_percent")) return failures;
  double rise = report["perplexity_rise_percent"];
  if (!(rise <= settings.most_perplexity_rise()))
    failures.push_back(fmt::format("held-out perplexity rose by {:.1f} %, above its bound of {:.1f} %", rise,
                                   settings.most_perplexity_rise()));
  return failures;
}

std::string cell(const Json& share) {
  return fmt::format("{:5.1f} % [{:.1f}, {:.1f}]", 100 * share["share"].get<double>(),
                     100 * share["low"].get<double>(), 100 * share["high"].get<double>());
}

std::string change_cell(const Json& change) {
  std::string text = fmt::format("{:+.1f} points [{:+.1f}, {:+.1f}]", change["points"].get<double>(),
                                 change["low"].get<double>(), change["high"].get<double>());
  if (!change["percent"].is_null()) text += fmt::format(", {:+.0f} %", change["percent"].get<double>());
  return text;
}

std::string measure_line(const Json& report, const std::string& name) {
  const Json& first = report["models"][0]["measures"][name];
  std::string line = fmt::format("{:<24}{:>8}{:>10}", name, first["answers"].get<int64_t>(),
                                 first["subjects"].get<int64_t>());
  for (const Json& model : report["models"]) line += fmt::format("  {:<24}", cell(model["measures"][name]));
  if (report.contains("changes")) line += "  " + change_cell(report["changes"][name]);
  return line + "\n";
}

}  // namespace

nlohmann::ordered_json safety_report(const SafetySettings& settings,
                                     const std::vector<ModelAnswers>& models) {
  Json report;
  for (const ModelAnswers& model : models) report["models"].push_back(model_json(settings, model));
  if (models.size() > 1) {
    for (const SafetyMeasure& measure : settings.measures())
      report["changes"][measure.name()] = change_json(settings, measure, models.front(), models.back());
    if (models.front().loss && models.back().loss) {
      report["perplexity_rise_percent"] =
          percent_of(std::exp(*models.front().loss), std::exp(*models.back().loss));
    }
  }
  report["failures"] = failures_of(settings, report);
  return report;
}

std::string safety_table(const nlohmann::ordered_json& report) {
  std::string table = fmt::format("{:<24}{:>8}{:>10}", "share of answers", "answers", "subjects");
  for (const Json& model : report["models"])
    table += fmt::format("  {:<24}", model["name"].get<std::string>());
  table += report.contains("changes") ? "  change\n" : "\n";
  for (const auto& [name, share] : report["models"][0]["measures"].items())
    table += measure_line(report, name);
  if (report["models"][0].contains("perplexity")) {
    table += fmt::format("{:<42}", "held-out perplexity");
    for (const Json& model : report["models"])
      table += fmt::format("  {:<24}", fmt::format("{:.3f}", model["perplexity"].get<double>()));
    if (report.contains("perplexity_rise_percent"))
      table += fmt::format("  {:+.2f} %", report["perplexity_rise_percent"].get<double>());
    table += '\n';
  }
  for (const Json& failure : report["failures"]) table += "gate: " + failure.get<std::string>() + "\n";
  return table;
}

std::string safety_samples(const std::vector<ModelAnswers>& models) {
  std::string lines;
  for (const ModelAnswers& model : models) {
    for (const Episode& episode : model.episodes) {
      Json line{{"model", model.name},
                {"prompt", episode.prompt_text()},
                {"text", episode.response_text()},
                {"class", episode.prompt_class()},
                {"subject", episode.subject()},
                {"ended", episode.ended()}};
      for (const Episode::Score& score : episode.scores()) {
        Json one{{"value", score.value()}};
        if (score.has_letter()) one["letter"] = score.letter();
        if (score.probabilities_size() > 0)
          one["probabilities"] =
              std::vector<double>(score.probabilities().begin(), score.probabilities().end());
        line["sources"][score.source()] = one;
      }
      // A token may end inside a character; JSON wants whole ones.
      lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
  }
  return lines;
}

}  // namespace sextant::rlhf
