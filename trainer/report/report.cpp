#include "trainer/report/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <set>

#include "parallel/base/error.h"
#include "trainer/evaluation/results.h"
#include "trainer/report/eval_parts.h"
#include "trainer/report/law_part.h"
#include "trainer/report/safety_part.h"
#include "trainer/report/training_run.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

fs::path without_slash(const fs::path& path) {
  fs::path normal = path.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

// What somebody may have meant who gave a folder of runs.
std::string runs_within(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    if (fs::exists(entry.path() / "metrics.jsonl", unreadable)) found.push_back(entry.path().string());
  }
  std::sort(found.begin(), found.end());
  std::string text;
  for (const std::string& one : found) text += " " + one;
  return text;
}

// What a path is, and what it shows.
struct Part {
  const char* list;  // of the report that it belongs to
  ordered_json shown;
};

Part part_of(const fs::path& path, const KindOfFile& kind) {
  if (fs::is_regular_file(path) && path.extension() == ".csv") return {"laws", law_part(path)};
  if (fs::is_regular_file(path)) return {"contamination", contamination_part(path)};
  if (fs::exists(path / "metrics.jsonl")) return {"runs", training_run(path, kind)};
  if (fs::exists(path / "safety.json")) return {"safety", safety_part(path)};
  if (fs::exists(path / "results.json")) return {"evals", eval_part(path)};
  require(fs::exists(path),
          path.string() + ": there is no such folder; give a run's folder, such as runs/NAME");
  std::string within = runs_within(path);
  fail_input(fmt::format("{}: this is no run: it has no metrics.jsonl, results.json or safety.json{}",
                         path.string(),
                         within.empty() ? "; give the folder that a command wrote to, such as runs/NAME"
                                        : "; the runs in it are" + within));
}

std::string cell(const ordered_json& final, const std::string& name) {
  auto found = final.find(name);
  if (found == final.end() || !found->is_number()) return "-";
  if (found->is_number_integer()) return fmt::format("{}", found->get<int64_t>());
  double value = found->get<double>();
  bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  return whole ? fmt::format("{:.0f}", value) : fmt::format("{:.5g}", value);
}

// Those that every run has come first, in the order in which a run writes them.
std::vector<std::string> metric_names(const std::vector<const ordered_json*>& runs) {
  std::vector<std::string> names{"step",       "tokens",       "training_seconds", "loss",
                                 "valid_loss", "grad_norm",    "learning_rate",    "tokens_per_second",
                                 "mfu",        "memory_bytes", "step_seconds"};
  std::set<std::string> others;
  for (const ordered_json* run : runs) {
    for (const auto& [name, value] : (*run)["final"].items()) {
      bool known = std::find(names.begin(), names.end(), name) != names.end();
      if (!known && !name.starts_with("seconds_")) others.insert(name);
    }
  }
  std::erase_if(names, [&](const std::string& name) {
    return std::none_of(runs.begin(), runs.end(),
                        [&](const ordered_json* run) { return (*run)["final"].contains(name); });
  });
  names.insert(names.end(), others.begin(), others.end());
  return names;
}

std::string stage_table(const std::vector<const ordered_json*>& runs) {
  std::vector<std::string> names = metric_names(runs);
  size_t first = 0;
  for (const std::string& name : names) first = std::max(first, name.size());
  std::string table = fmt::format("{:<{}}", "last value", first);
  std::vector<size_t> widths;
  for (const ordered_json* run : runs) {
    auto name = (*run)["name"].get<std::string>();
    widths.push_back(std::max<size_t>(name.size(), 12) + 2);
    table += fmt::format("{:>{}}", name, widths.back());
  }
  table += '\n';
  for (const std::string& name : names) {
    table += fmt::format("{:<{}}", name, first);
    for (size_t i = 0; i < runs.size(); ++i)
      table += fmt::format("{:>{}}", cell((*runs[i])["final"], name), widths[i]);
    table += '\n';
  }
  return table;
}

}  // namespace

ordered_json report_of(const std::vector<fs::path>& paths, const KindOfFile& kind,
                       const std::string& program) {
  ordered_json report{{"made", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::time(nullptr)))},
                      {"program", program},
                      {"runs", ordered_json::array()},
                      {"laws", ordered_json::array()},
                      {"evals", ordered_json::array()},
                      {"safety", ordered_json::array()},
                      {"contamination", ordered_json::array()}};
  std::map<std::string, int> uses;
  std::set<fs::path> seen;
  for (const fs::path& path : paths) {
    require(seen.insert(without_slash(path)).second, path.string() + ": this run is given twice");
    ++uses[without_slash(path).filename().string()];
  }
  for (const fs::path& path : paths) {
    fs::path folder = without_slash(path);
    std::string name = folder.filename().string();
    Part part = part_of(folder, kind);
    ordered_json shown{{"name", uses[name] > 1 ? folder.string() : name}, {"folder", folder.string()}};
    shown.update(part.shown);
    report[part.list].push_back(std::move(shown));
  }
  return report;
}

std::string report_table(const ordered_json& report) {
  std::vector<std::string> stages;
  std::map<std::string, std::vector<const ordered_json*>> of_stage;
  for (const ordered_json& run : report["runs"]) {
    auto stage = run["stage"].get<std::string>();
    if (!of_stage.contains(stage)) stages.push_back(stage);
    of_stage[stage].push_back(&run);
  }
  std::string text;
  for (const std::string& stage : stages) text += stage_table(of_stage[stage]) + "\n";
  for (const ordered_json& run : report["runs"]) {
    for (const ordered_json& note : run["notes"])
      text += fmt::format("{}: {}\n", run["name"].get<std::string>(), note.get<std::string>());
  }
  for (const ordered_json& law : report["laws"])
    text += fmt::format("{}: {} runs over compute\n", law["name"].get<std::string>(), law["points"].size());
  for (const ordered_json& eval : report["evals"])
    text += fmt::format("{}\n{}\n", eval["name"].get<std::string>(), results_table(eval["results"]));
  for (const ordered_json& found : report["contamination"])
    text += fmt::format("{}: {} of {} items stand in the training text, {:.2f} %\n",
                        found["name"].get<std::string>(), found["contaminated"].get<int64_t>(),
                        found["items"].get<int64_t>(), 100 * found["share"].get<double>());
  return text;
}

}  // namespace sextant::trainer
