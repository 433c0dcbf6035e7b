#include "trainer/evaluation/compare.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "parallel/base/error.h"
#include "trainer/evaluation/statistics.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

// A metric's values on the items that both evaluations have.
struct PairedValues {
  std::vector<double> a, b;
};

double value_of(const ordered_json& grade, const std::string& metric) {
  double value = grade[metric].get<double>();
  if (metric == "log_likelihood" && grade.contains("tokens"))
    value /= std::max(1.0, grade["tokens"].get<double>());
  return value;
}

bool is_metric(const ordered_json& grade, const std::string& name) {
  bool counts = name == "tokens" || name == "words" || name == "bytes";
  return !counts && grade.contains(name) && grade[name].is_number();
}

void check_same_item(const RecordKey& key, const ordered_json& a, const ordered_json& b) {
  for (const char* what : {"gold", "ideals"}) {
    if (a.contains(what) == b.contains(what) && (!a.contains(what) || a[what] == b[what])) continue;
    fail_input(
        fmt::format("item {} of task {} has another '{}' in the two evaluations; compare evaluations of the "
                    "same data",
                    key.second, key.first, what));
  }
}

ordered_json finite(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

ordered_json comparison_of(const std::string& task, const std::string& metric, const PairedValues& values,
                           int64_t resamples, uint64_t seed) {
  PairedComparison found = compare_paired(values.a, values.b);
  auto difference = [&](const std::vector<int64_t>& items) {
    double sum = 0;
    for (int64_t item : items)
      sum += values.b[static_cast<size_t>(item)] - values.a[static_cast<size_t>(item)];
    return sum / static_cast<double>(items.size());
  };
  Interval interval = bootstrap_interval(std::ssize(values.a), resamples, seed,
                                         fmt::format("compare {} {}", task, metric), difference);
  return {{"task", task},
          {"metric", metric},
          {"a", mean_of(values.a).value},
          {"b", mean_of(values.b).value},
          {"difference", found.difference.value},
          {"stderr", finite(found.difference.error)},
          {"low", finite(interval.low)},
          {"high", finite(interval.high)},
          {"better", found.better},
          {"worse", found.worse},
          {"n", found.difference.n},
          {"sign_p", found.sign_p},
          {"normal_p", finite(found.normal_p)},
          {"correlation", finite(found.correlation)}};
}

std::string shown_number(const ordered_json& value) {
  return value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "-";
}

}  // namespace

ordered_json compare_records(const RecordMap& a, const RecordMap& b, int64_t resamples, uint64_t seed) {
  std::vector<std::pair<std::string, std::string>> order;
  std::map<std::pair<std::string, std::string>, PairedValues> metrics;
  for (const auto& [key, mine] : a) {
    auto other = b.find(key);
    if (other == b.end()) continue;
    check_same_item(key, mine, other->second);
    for (const auto& [name, unused] : mine["grade"].items()) {
      if (!is_metric(mine["grade"], name) || !is_metric(other->second["grade"], name)) continue;
      auto [values, fresh] = metrics.try_emplace({key.first, name});
      if (fresh) order.emplace_back(key.first, name);
      values->second.a.push_back(value_of(mine["grade"], name));
      values->second.b.push_back(value_of(other->second["grade"], name));
    }
  }
  require(!order.empty(), "the two evaluations share no item; compare evaluations of the same tasks");
  ordered_json comparison = ordered_json::array();
  for (const auto& [task, metric] : order)
    comparison.push_back(comparison_of(task, metric, metrics.at({task, metric}), resamples, seed));
  return comparison;
}

std::string comparison_table(const ordered_json& comparison) {
  size_t wide = 4;
  for (const ordered_json& one : comparison) wide = std::max(wide, one["task"].get<std::string>().size());
  std::string table = fmt::format("{:<{}}  {:<24} {:>9} {:>9} {:>10} {:>9} {:>19} {:>7} {:>7} {:>9} {:>9}\n",
                                  "task", wide, "metric", "A", "B", "B - A", "stderr", "95 % interval",
                                  "better", "worse", "sign p", "normal p");
  for (const ordered_json& one : comparison) {
    table += fmt::format("{:<{}}  {:<24} {:>9} {:>9} {:>10} {:>9} {:>9} {:>9} {:>7} {:>7} {:>9} {:>9}\n",
                         one["task"].get<std::string>(), wide, one["metric"].get<std::string>(),
                         shown_number(one["a"]), shown_number(one["b"]), shown_number(one["difference"]),
                         shown_number(one["stderr"]), shown_number(one["low"]), shown_number(one["high"]),
                         one["better"].get<int64_t>(), one["worse"].get<int64_t>(),
                         shown_number(one["sign_p"]), shown_number(one["normal_p"]));
  }
  return table;
}

}  // namespace sextant::trainer
