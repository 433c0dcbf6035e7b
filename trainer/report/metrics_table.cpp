#include "trainer/report/metrics_table.h"

#include <nlohmann/json.hpp>

#include "data/chat/object_lines.h"

namespace sextant::trainer {
namespace {

void add_number(const nlohmann::json& number, size_t line, int64_t step, MetricColumn& column) {
  if (number.is_number()) {
    column.lines.push_back(line);
    column.values.push_back(number.get<double>());
  } else if (column.not_finite++ == 0) {
    column.first_not_finite = step;
  }
}

void add_line(const nlohmann::json& object, MetricsTable& table) {
  auto step = object.find("step");
  require(step != object.end() && step->is_number_integer(), "no \"step\"");
  size_t line = table.steps.size();
  table.steps.push_back(step->get<int64_t>());
  auto tokens = object.find("tokens");
  double before = table.tokens.empty() ? 0 : table.tokens.back();
  table.tokens.push_back(tokens != object.end() && tokens->is_number() ? tokens->get<double>() : before);
  for (const auto& [name, value] : object.items()) {
    if (name == "step" || name == "tokens" || !(value.is_number() || value.is_null())) continue;
    add_number(value, line, table.steps.back(), table.columns[name]);
  }
}

}  // namespace

MetricsTable read_metrics(const std::filesystem::path& file) {
  MetricsTable table;
  data::LineCounts counts = data::each_object(file, data::ChatSettings::skip,
                                              [&](const nlohmann::json& object) { add_line(object, table); });
  table.damaged_lines = counts.left_out;
  table.first_damage = counts.first_fault;
  return table;
}

}  // namespace sextant::trainer
