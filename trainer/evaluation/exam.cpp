#include "trainer/evaluation/exam.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

constexpr const char* kTotal = "total";
constexpr const char* kOutOf = "out_of";

// The result that a section's points come from; null where there is none.
const ordered_json* result_of(const ExamSection& section, const ordered_json& results) {
  for (const ordered_json& result : results) {
    bool right = !section.has_metric() || result["metric"] == section.metric();
    if (result["task"] == section.task() && !result.contains("group") && right) return &result;
  }
  return nullptr;
}

double number_of(const ordered_json* result, const char* key) {
  return result != nullptr && (*result)[key].is_number() ? (*result)[key].get<double>() : std::nan("");
}

ordered_json entry(const Exam& exam, const char* metric, double value, double error, int64_t n,
                   double out_of) {
  auto number = [](double one) { return std::isfinite(one) ? ordered_json(one) : ordered_json(nullptr); };
  return {{"task", exam.name()},     {"metric", metric}, {"value", number(value)},
          {"stderr", number(error)}, {"n", n},           {kOutOf, out_of}};
}

std::string cell(const ordered_json& value) {
  return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : "-";
}

}  // namespace

void add_exams(const EvalSettings& settings, ordered_json& results) {
  ordered_json added = ordered_json::array();
  for (const Exam& exam : settings.exams()) {
    double total = 0, variance = 0, out_of = 0;
    int64_t items = 0;
    for (const ExamSection& section : exam.sections()) {
      const ordered_json* result = result_of(section, results);
      double points = section.points() * number_of(result, "value");
      double error = section.points() * number_of(result, "stderr");
      int64_t n = result == nullptr ? 0 : (*result)["n"].get<int64_t>();
      added.push_back(entry(exam, "points", points, error, n, section.points()));
      added.back()["group"] = section.task();
      total += points;
      variance += error * error;
      out_of += section.points();
      items += n;
    }
    added.push_back(entry(exam, kTotal, total, std::sqrt(variance), items, out_of));
  }
  for (ordered_json& one : added) results.push_back(std::move(one));
}

std::string exam_tables(const ordered_json& results) {
  std::string table;
  std::string shown;  // the exam whose rows are being written
  for (const ordered_json& result : results) {
    if (!result.contains(kOutOf)) continue;
    auto name = result["task"].get<std::string>();
    if (name != shown) {
      table += fmt::format("\n{}\n  {:<28} {:>9} {:>9} {:>9} {:>7} {:>7}\n", name, "section", "points",
                           "out of", "stderr", "share", "n");
    }
    double out_of = result[kOutOf].get<double>();
    ordered_json share =
        result["value"].is_number() ? ordered_json(result["value"].get<double>() / out_of) : nullptr;
    bool total = result["metric"] == kTotal;
    table += fmt::format("  {:<28} {:>9} {:>9.2f} {:>9} {:>7} {:>7}\n",
                         total ? kTotal : result["group"].get<std::string>(), cell(result["value"]), out_of,
                         cell(result["stderr"]), cell(share), result["n"].get<int64_t>());
    shown = total ? "" : name;
  }
  return table;
}

std::vector<Complaint> exam_complaints(const EvalSettings& settings) {
  std::vector<Complaint> complaints;
  std::set<std::string> tasks, names;
  for (const EvalTask& task : settings.tasks()) tasks.insert(task.name());
  for (int i = 0; i < settings.exams_size(); ++i) {
    const Exam& exam = settings.exams(i);
    std::string key = fmt::format("eval.exams.{}", i);
    if (tasks.contains(exam.name()) || !names.insert(exam.name()).second)
      complaints.push_back(
          {key + ".name", fmt::format("'{}' is the name of another exam or task", exam.name())});
    if (exam.sections_size() == 0)
      complaints.push_back({key + ".sections", "an exam has one section or more"});
    for (int j = 0; j < exam.sections_size(); ++j) {
      if (tasks.contains(exam.sections(j).task())) continue;
      complaints.push_back({fmt::format("{}.sections.{}.task", key, j),
                            fmt::format("there is no task '{}' in eval.tasks", exam.sections(j).task())});
    }
  }
  return complaints;
}

}  // namespace sextant::trainer
