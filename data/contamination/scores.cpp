#include "data/contamination/scores.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "data/documents.h"
#include "data/lines.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

using SampleJson = nlohmann::ordered_json;

constexpr uint64_t kLongestSample = uint64_t{64} << 20;

struct Grades {
  double sum = 0;
  int64_t count = 0;
};

struct Graded {
  size_t index = 0;
  std::string metric;
  double grade = 0;
};

bool is_grade(const SampleJson& value) {
  return value.is_number() || value.is_boolean();
}

Graded graded(const SampleJson& record, const std::string& metric, size_t items) {
  require(record.contains("index") && record["index"].is_number_unsigned(),
          "the record has no \"index\" of an item");
  auto index = record["index"].get<uint64_t>();
  require(index < items,
          fmt::format("index {} is not among the eval's {} items; are these samples of another "
                      "file, or of several tasks (--task)?",
                      index, items));
  const SampleJson* grade = record.contains("grade") ? &record["grade"] : nullptr;
  std::string name;
  if (grade != nullptr && grade->is_object()) {
    auto found = metric.empty() ? grade->begin() : grade->find(metric);
    require(found != grade->end(),
            fmt::format("the record's \"grade\" has no {}", metric.empty() ? "metric" : metric));
    name = found.key();
    grade = &*found;
  }
  require(grade != nullptr && is_grade(*grade),
          "the record has no \"grade\" that is a number, true or false, or an object of these (--metric)");
  return {static_cast<size_t>(index), name,
          grade->is_boolean() ? static_cast<double>(grade->get<bool>()) : grade->get<double>()};
}

class Mean {
 public:
  void add(double value) {
    ++items_;
    sum_ += value;
    squares_ += value * value;
  }
  MeanScore score() const {
    if (items_ == 0) return {};
    double n = static_cast<double>(items_), mean = sum_ / n;
    double variance = items_ < 2 ? 0 : std::max(0.0, (squares_ - n * mean * mean) / (n - 1));
    return {items_, mean, std::sqrt(variance / n)};
  }

 private:
  int64_t items_ = 0;
  double sum_ = 0, squares_ = 0;
};

}  // namespace

ContaminationScores read_scores(const std::filesystem::path& samples, const std::string& task,
                                const std::string& metric, const std::vector<bool>& contaminated) {
  std::map<size_t, Grades> grades;
  std::string named;
  LineReader lines(samples, kLongestSample);
  for (std::string_view line; lines.next(line);) {
    if (!has_text(line)) continue;
    try {
      SampleJson record = SampleJson::parse(line, nullptr, false);
      require(record.is_object(), "this line is no JSON object; each line holds a record");
      if (!task.empty() && record.value("task", SampleJson()) != task) continue;
      Graded one = graded(record, metric, contaminated.size());
      Grades& of_item = grades[one.index];
      of_item.sum += one.grade;
      ++of_item.count;
      named = one.metric;
    } catch (const Error& error) {
      fail_input(fmt::format("{}:{}: {}", samples.string(), lines.number(), error.what()));
    }
  }
  require(!grades.empty(), samples.string() + ": it holds no records" +
                               (task.empty() ? "" : fmt::format(" of the task {}", task)));
  Mean all, clean, dirty;
  for (const auto& [index, of_item] : grades) {
    double grade = of_item.sum / static_cast<double>(of_item.count);
    all.add(grade);
    (contaminated[index] ? dirty : clean).add(grade);
  }
  return {named, all.score(), clean.score(), dirty.score()};
}

}  // namespace sextant::data
