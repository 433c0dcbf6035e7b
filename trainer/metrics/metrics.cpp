#include "trainer/metrics/metrics.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace sextant::trainer {
namespace {

using nlohmann::json;

void put_integer(std::string& line, const char* name, int64_t value) {
  line += fmt::format("{}\"{}\": {}", line.size() > 1 ? ", " : "", name, value);
}

std::string float_text(double value) {
  if (!std::isfinite(value)) return "null";
  std::string digits = fmt::format("{:.17g}", value);
  // Readers take a number without a point for an integer, which has no -0.
  return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
}

void put_float(std::string& line, const std::string& name, double value) {
  std::string key = json(name).dump(-1, ' ', false, json::error_handler_t::replace);
  line += fmt::format("{}{}: {}", line.size() > 1 ? ", " : "", key, float_text(value));
}

}  // namespace

std::string metrics_line(const StepMetrics& metrics) {
  std::string line = "{";
  put_integer(line, "step", metrics.step);
  put_integer(line, "tokens", metrics.tokens);
  put_float(line, "loss", metrics.loss);
  put_float(line, "grad_norm", metrics.grad_norm);
  put_float(line, "learning_rate", metrics.learning_rate);
  put_float(line, "tokens_per_second", metrics.tokens_per_second);
  put_float(line, "mfu", metrics.mfu);
  put_integer(line, "memory_bytes", metrics.memory_bytes);
  put_float(line, "step_seconds", metrics.step_seconds);
  if (metrics.valid_loss) put_float(line, "valid_loss", *metrics.valid_loss);
  if (metrics.skipped != 0) put_integer(line, "skipped", metrics.skipped);
  if (metrics.seconds) {
    for (TimeKind kind : kAllTimeKinds) {
      put_float(line, fmt::format("seconds_{}", time_kind_name(kind)), (*metrics.seconds)[kind]);
    }
  }
  for (const auto& [name, value] : metrics.extra) put_float(line, name, value);
  return line + "}";
}

MetricsLog::MetricsLog(const std::filesystem::path& run_folder, int64_t resume_step)
    : repair_(repair_step_lines(run_folder / "metrics.jsonl", resume_step)),
      file_(run_folder / "metrics.jsonl") {}

void MetricsLog::write_extra(int64_t step, const Scalars& scalars) {
  std::string line = "{";
  put_integer(line, "step", step);
  for (const auto& [name, value] : scalars) put_float(line, name, value);
  file_.append(line + "}\n");
}

}  // namespace sextant::trainer
