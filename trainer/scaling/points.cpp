#include "trainer/scaling/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"
#include "trainer/config/complaint.h"
#include "trainer/scaling/csv_table.h"
#include "trainer/scaling/fit.h"

namespace sextant::trainer {
namespace {

struct TrainedRun {
  double parameters = 0, tokens = 0, flops = 0, loss = 0;
};

// One column of the table, or none.
class Column {
 public:
  Column(const std::string& name, std::vector<std::string>& asked) : name_(name), index_(asked.size()) {
    if (!name.empty()) asked.push_back(name);
  }
  bool given() const { return !name_.empty(); }
  // 0 where there is no such column.
  double positive(const CsvTable& table, size_t record) const {
    if (!given()) return 0;
    double value = table.number(record, index_);
    if (value > 0) return value;
    fail_input(
        fmt::format("{}: column {} is {}, and a power law wants numbers above 0; mend or take out the line",
                    table.place(record), shown(name_), value));
  }

 private:
  std::string name_;
  size_t index_;
};

void require_columns(const PointColumns& columns, ScalingForm form) {
  require(!columns.loss.empty(), "--loss COLUMN is missing: which column holds the loss?");
  bool flops = !columns.flops.empty(), parameters = !columns.parameters.empty(),
       tokens = !columns.tokens.empty();
  if (is_of_size_and_tokens(form)) {
    require(parameters, "this form is a law of model size and tokens; say --parameters COLUMN");
    require(tokens != flops,
            "this form wants --tokens COLUMN, or --flops COLUMN for D = C / (6 N), one of the two");
    return;
  }
  require(
      flops ? !tokens && !parameters : tokens && parameters,
      "this form is a law of compute: say --flops COLUMN alone, or --parameters and --tokens for C = 6 N D");
}

std::vector<TrainedRun> read_runs(const std::filesystem::path& file, const PointColumns& columns) {
  std::vector<std::string> asked;
  Column parameters(columns.parameters, asked), tokens(columns.tokens, asked), flops(columns.flops, asked);
  Column loss(columns.loss, asked);
  CsvTable table(file, asked);
  std::vector<TrainedRun> runs(table.records());
  for (size_t i = 0; i < runs.size(); ++i) {
    TrainedRun& run = runs[i];
    run = {parameters.positive(table, i), tokens.positive(table, i), flops.positive(table, i),
           loss.positive(table, i)};
    if (!flops.given()) run.flops = 6 * run.parameters * run.tokens;
    if (!tokens.given() && parameters.given()) run.tokens = run.flops / (6 * run.parameters);
  }
  return runs;
}

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
}

}  // namespace

bool is_of_size_and_tokens(ScalingForm form) {
  return form == ScalingForm::kChinchilla || form == ScalingForm::kKaplan;
}

PowerLaw law_of(ScalingForm form) {
  if (form == ScalingForm::kKaplan) return {2, PowerLaw::Floor::kNone, PowerLaw::Terms::kJoined};
  if (form == ScalingForm::kChinchilla) return {2, PowerLaw::Floor::kConstant};
  return {1, form == ScalingForm::kLoss ? PowerLaw::Floor::kConstant : PowerLaw::Floor::kNone};
}

Points read_points(const std::filesystem::path& file, const PointColumns& columns, ScalingForm form,
                   size_t drop_highest) {
  require_columns(columns, form);
  std::vector<TrainedRun> runs = read_runs(file, columns);
  Points points;
  points.records = runs.size();
  points.dropped = std::min(drop_highest, runs.size());
  std::stable_sort(runs.begin(), runs.end(),
                   [](const TrainedRun& a, const TrainedRun& b) { return a.loss < b.loss; });
  runs.resize(runs.size() - points.dropped);
  points.logs.log_x.resize(static_cast<size_t>(law_of(form).terms));
  for (const TrainedRun& run : runs) {
    if (is_of_size_and_tokens(form)) {
      points.logs.log_x[0].push_back(std::log(run.parameters));
      points.logs.log_x[1].push_back(std::log(run.tokens));
    } else {
      points.logs.log_x[0].push_back(std::log(run.flops));
    }
    points.logs.log_y.push_back(std::log(run.loss));
  }
  require_enough(points.logs, law_of(form), file.string());
  return points;
}

void require_enough(const LogPoints& points, const PowerLaw& law, const std::string& where) {
  size_t wanted = static_cast<size_t>(law.parameters()) + 1;
  if (points.size() < wanted) {
    fail_input(fmt::format("{}: {} points are left for a law of {} parameters; give {} or more", where,
                           points.size(), law.parameters(), wanted));
  }
  for (const std::vector<double>& variable : points.log_x) {
    require(!all_equal(variable),
            where +
                ": model size, tokens or compute is the same in all points, so nothing shows how the loss "
                "depends on it; add runs of other sizes");
  }
}

std::vector<NamedValue> named(ScalingForm form, const Parameters& fitted) {
  PowerLaw law = law_of(form);
  auto size = [&](int term) { return std::exp(fitted[law.coefficient(term)]); };
  auto power = [&](int term) { return fitted[law.exponent(term)]; };
  switch (form) {
    case ScalingForm::kChinchilla:
      return {{"E", std::exp(fitted[law.constant()])},
              {"A", size(0)},
              {"B", size(1)},
              {"alpha", power(0)},
              {"beta", power(1)}};
    case ScalingForm::kKaplan: {
      double whole = fitted[3];
      return {{"A", std::exp(whole * fitted[0])},
              {"B", std::exp(whole * fitted[1])},
              {"alpha", whole * fitted[2]},
              {"beta", whole}};
    }
    case ScalingForm::kLoss:
      return {{"a", size(0)}, {"b", -power(0)}, {"c", std::exp(fitted[law.constant()])}};
    case ScalingForm::kCapability:
      return {{"alpha", size(0)}, {"k", power(0)}};
  }
  expect(false, "every form has names");
  return {};
}

std::vector<std::string> at_bound(ScalingForm form, const Parameters& fitted) {
  PowerLaw law = law_of(form);
  Bounds bounds = law_bounds(law);
  std::vector<NamedValue> names = named(form, fitted);
  // named() has the constant of a Chinchilla law first, the others in the order of terms.
  std::vector<int> order = {law.coefficient(0), law.exponent(0), law.constant()};
  if (form == ScalingForm::kKaplan) order = {0, 1, 2, 3};
  if (form == ScalingForm::kChinchilla) order = {law.constant(), 0, 1, law.exponent(0), law.exponent(1)};
  std::vector<std::string> found;
  for (size_t i = 0; i < names.size(); ++i) {
    double value = fitted[static_cast<size_t>(order[i])];
    double lower = bounds.lower[static_cast<size_t>(order[i])],
           upper = bounds.upper[static_cast<size_t>(order[i])];
    if (value <= lower || value >= upper) found.push_back(names[i].name);
  }
  return found;
}

}  // namespace sextant::trainer
