#include "trainer/evaluation/results.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "parallel/base/error.h"
#include "trainer/evaluation/calibration.h"
#include "trainer/evaluation/exam.h"
#include "trainer/evaluation/statistics.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;
using Records = std::vector<const ordered_json*>;

// A number as JSON; null where it is unknown.
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

// One value of each item's grade.
std::vector<double> grades(const Records& records, const std::string& name) {
  std::vector<double> values;
  for (const ordered_json* record : records) {
    const ordered_json& grade = (*record)["grade"];
    require(grade.contains(name) && grade[name].is_number(),
            fmt::format("the record of item {} of task {} has no grade '{}'; remove the folder to begin anew",
                        (*record)["index"].dump(), (*record)["task"].dump(), name));
    values.push_back(grade[name].get<double>());
  }
  return values;
}

std::vector<double> picked(const std::vector<double>& values, const std::vector<int64_t>& items) {
  std::vector<double> some;
  some.reserve(items.size());
  for (int64_t item : items) some.push_back(values[static_cast<size_t>(item)]);
  return some;
}

// The results of some items of a task.
class TaskResults {
 public:
  TaskResults(const EvalSettings& settings, const EvalTask& task, Records records, std::string group,
              ordered_json& out)
      : settings_(settings), task_(task), records_(std::move(records)), group_(std::move(group)), out_(out) {}

  void write() {
    switch (task_.kind()) {
      case EvalTask::multiple_choice:
        return choice();
      case EvalTask::log_likelihood:
        mean("acc");
        return target_perplexity();
      case EvalTask::perplexity:
        return documents();
      case EvalTask::generation:
        for (const auto& [name, unused] : (*records_[0])["grade"].items()) mean(name);
        return;
    }
  }

 private:
  const EvalSettings& settings_;
  const EvalTask& task_;
  Records records_;
  std::string group_;
  ordered_json& out_;

  // The bootstrap draws `draws` things, items unless it is given.
  void add(const std::string& metric, const Estimate& estimate,
           const std::function<double(const std::vector<int64_t>&)>& statistic, const ordered_json& more = {},
           int64_t draws = 0) {
    if (draws == 0) draws = estimate.n;
    ordered_json result{{"task", task_.name()}};
    if (!group_.empty()) result["group"] = group_;
    result["metric"] = metric;
    result["value"] = number(estimate.value);
    result["stderr"] = number(estimate.error);
    result["n"] = estimate.n;
    if (settings_.resamples() > 0 && draws > 1) {
      Interval interval =
          bootstrap_interval(draws, settings_.resamples(), settings_.seed(),
                             fmt::format("bootstrap {} {} {}", task_.name(), group_, metric), statistic);
      result["low"] = number(interval.low);
      result["high"] = number(interval.high);
    }
    if (!more.is_null()) result.update(more);
    out_.push_back(std::move(result));
  }

  void mean(const std::string& metric) {
    std::vector<double> values = grades(records_, metric);
    if (task_.has_cluster()) return clustered_mean(metric, values);
    add(metric, mean_of(values),
        [&](const std::vector<int64_t>& items) { return mean_of(picked(values, items)).value; });
  }

  // Clusters are drawn as wholes.
  void clustered_mean(const std::string& metric, const std::vector<double>& values) {
    std::vector<std::string> names;
    std::map<std::string, std::vector<double>> clusters;
    for (size_t i = 0; i < values.size(); ++i) {
      names.push_back(records_[i]->value("cluster", ""));
      clusters[names.back()].push_back(values[i]);
    }
    std::vector<std::vector<double>> wholes;
    wholes.reserve(clusters.size());
    for (auto& [name, some] : clusters) wholes.push_back(std::move(some));
    auto drawn = [&](const std::vector<int64_t>& chosen) {
      double sum = 0, count = 0;
      for (int64_t cluster : chosen) {
        for (double value : wholes[static_cast<size_t>(cluster)]) sum += value;
        count += static_cast<double>(wholes[static_cast<size_t>(cluster)].size());
      }
      return sum / count;
    };
    add(metric, mean_of_clusters(values, names), drawn, {{"clusters", wholes.size()}}, std::ssize(wholes));
  }

  void choice() {
    mean("acc");
    mean("acc_norm");
    bool several = false, single = true;
    for (const ordered_json* record : records_) {
      several = several || (*record)["grade"].contains("mc2");
      single = single && (*record)["gold"].size() == 1;
    }
    if (several) shares();
    if (group_.empty()) calibration(single);
  }

  // mc2 of every item: with one right option it is that option's probability.
  void shares() {
    std::vector<double> values;
    for (const ordered_json* record : records_) {
      double share = 0;
      for (const ordered_json& option : (*record)["gold"])
        share += (*record)["probabilities"][option.get<size_t>()].get<double>();
      values.push_back(share);
    }
    add("mc2", mean_of(values),
        [&](const std::vector<int64_t>& items) { return mean_of(picked(values, items)).value; });
  }

  void calibration(bool single) {
    std::vector<Judgement> judgements;
    std::vector<double> brier;
    for (const ordered_json* record : records_) {
      auto probabilities = (*record)["probabilities"].get<std::vector<double>>();
      judgements.push_back(
          {probabilities[(*record)["answer"].get<size_t>()], (*record)["grade"]["acc"].get<double>()});
      if (single) brier.push_back(brier_score(probabilities, (*record)["gold"][0].get<int64_t>()));
    }
    calibration_error_of("ece", judgements, [&](const std::vector<Judgement>& some) {
      std::vector<ReliabilityBin> bins = empty_bins(0, 1, settings_.bins());
      for (const Judgement& one : some) add_to_bins(bins, one);
      return bins;
    });
    calibration_error_of("ece_equal_mass", judgements, [&](const std::vector<Judgement>& some) {
      return bins_of_equal_mass(some, settings_.bins());
    });
    if (!single) return;
    add("brier", mean_of(brier),
        [&](const std::vector<int64_t>& items) { return mean_of(picked(brier, items)).value; });
  }

  void calibration_error_of(
      const std::string& metric, const std::vector<Judgement>& judgements,
      const std::function<std::vector<ReliabilityBin>(const std::vector<Judgement>&)>& bins) {
    std::vector<ReliabilityBin> all = bins(judgements);
    ordered_json table = ordered_json::array();
    for (const ReliabilityBin& bin : all) {
      if (bin.count == 0) continue;
      table.push_back({{"low", bin.low},
                       {"high", bin.high},
                       {"n", bin.count},
                       {"confidence", bin.confidence / bin.count},
                       {"accuracy", bin.right / bin.count}});
    }
    Estimate estimate{calibration_error(all), std::numeric_limits<double>::quiet_NaN(),
                      std::ssize(judgements)};
    add(metric, estimate,
        [&](const std::vector<int64_t>& items) {
          std::vector<Judgement> some;
          some.reserve(items.size());
          for (int64_t item : items) some.push_back(judgements[static_cast<size_t>(item)]);
          return calibration_error(bins(some));
        },
        {{"bins", table}});
  }

  // exp of a mean or ratio; its error by the delta method.
  void exponential(const std::string& metric, const Estimate& estimate,
                   const std::function<double(const std::vector<int64_t>&)>& statistic) {
    double value = std::exp(estimate.value);
    add(metric, {value, value * estimate.error, estimate.n},
        [&](const std::vector<int64_t>& items) { return std::exp(statistic(items)); });
  }

  void target_perplexity() {
    std::vector<double> losses = grades(records_, "log_likelihood");
    for (double& loss : losses) loss = -loss;
    exponential("perplexity", mean_of(losses),
                [&](const std::vector<int64_t>& items) { return mean_of(picked(losses, items)).value; });
  }

  void documents() {
    std::vector<double> losses = grades(records_, "log_likelihood"), words = grades(records_, "words"),
                        bytes = grades(records_, "bytes"), tokens = grades(records_, "tokens");
    for (double& loss : losses) loss = -loss;
    auto ratio = [&](const std::vector<double>& weights) {
      return [&losses, &weights](const std::vector<int64_t>& items) {
        return ratio_of(picked(losses, items), picked(weights, items)).value;
      };
    };
    add("token_loss", ratio_of(losses, tokens), ratio(tokens));
    exponential("word_perplexity", ratio_of(losses, words), ratio(words));
    exponential("byte_perplexity", ratio_of(losses, bytes), ratio(bytes));
    Estimate bits = ratio_of(losses, bytes);
    add("bits_per_byte", {bits.value / std::log(2.0), bits.error / std::log(2.0), bits.n},
        [&](const std::vector<int64_t>& items) { return ratio(bytes)(items) / std::log(2.0); });
  }
};

std::string cell(const ordered_json& result, const char* key) {
  auto found = result.find(key);
  if (found == result.end() || !found->is_number()) return "-";
  return fmt::format("{:.4f}", found->get<double>());
}

}  // namespace

ordered_json results_of(const EvalSettings& settings, const RecordMap& records) {
  ordered_json results = ordered_json::array();
  for (const EvalTask& task : settings.tasks()) {
    Records all;
    std::map<std::string, Records> groups;
    for (auto one = records.lower_bound({task.name(), 0});
         one != records.end() && one->first.first == task.name(); ++one) {
      all.push_back(&one->second);
      if (task.has_group()) groups[one->second.value("group", "")].push_back(&one->second);
    }
    if (all.empty()) continue;
    TaskResults(settings, task, all, "", results).write();
    for (const auto& [group, some] : groups) TaskResults(settings, task, some, group, results).write();
  }
  add_exams(settings, results);
  return results;
}

std::string results_table(const ordered_json& results) {
  size_t wide = 4;
  for (const ordered_json& result : results) wide = std::max(wide, result["task"].get<std::string>().size());
  std::string table = fmt::format("{:<{}}  {:<28} {:>10} {:>10} {:>21} {:>7}\n", "task", wide, "metric",
                                  "value", "stderr", "95 % interval", "n");
  std::string reliability;
  for (const ordered_json& result : results) {
    if (result.contains("group") || result.contains("out_of")) continue;
    auto task = result["task"].get<std::string>(), metric = result["metric"].get<std::string>();
    table += fmt::format("{:<{}}  {:<28} {:>10} {:>10} {:>10} {:>10} {:>7}\n", task, wide, metric,
                         cell(result, "value"), cell(result, "stderr"), cell(result, "low"),
                         cell(result, "high"), result["n"].get<int64_t>());
    if (metric != "ece") continue;
    reliability += fmt::format("\nreliability of {}\n  {:>13} {:>7} {:>11} {:>9}\n", task, "confidences", "n",
                               "confidence", "accuracy");
    for (const ordered_json& bin : result["bins"]) {
      reliability += fmt::format("  {:>5.2f} to {:.2f} {:>7} {:>11.3f} {:>9.3f}\n", bin["low"].get<double>(),
                                 bin["high"].get<double>(), bin["n"].get<double>(),
                                 bin["confidence"].get<double>(), bin["accuracy"].get<double>());
    }
  }
  return table + reliability + exam_tables(results);
}

}  // namespace sextant::trainer
