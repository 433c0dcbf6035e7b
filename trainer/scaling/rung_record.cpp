#include "trainer/scaling/rung_record.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data/lines.h"
#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/resume.h"

namespace sextant::trainer {
namespace {

constexpr uint64_t kLongestMetricsLine = uint64_t{1} << 20;
constexpr std::array<std::string_view, 8> kDecideTheLoss = {
    "model.",     "optimizer.", "numerics.compute:", "data.",
    "run.steps:", "run.seed:",  "run.global_batch:", "run.evaluate_sequences:"};

bool decides_the_loss(const std::string& change) {
  return std::any_of(kDecideTheLoss.begin(), kDecideTheLoss.end(),
                     [&](std::string_view key) { return change.starts_with(key); });
}

}  // namespace

std::optional<double> held_out_loss_at(const std::filesystem::path& folder, int64_t step) {
  std::filesystem::path file = folder / "metrics.jsonl";
  if (!std::filesystem::exists(file)) return std::nullopt;
  data::LineReader reader(file, kLongestMetricsLine);
  std::optional<double> loss;
  std::string_view line;
  while (reader.next(line)) {
    auto json = nlohmann::json::parse(line, nullptr, false);  // a torn last line is no line yet
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) continue;
    if (json["step"].get<int64_t>() != step || !json.contains("valid_loss")) continue;
    if (json["valid_loss"].is_number()) loss = json["valid_loss"].get<double>();
  }
  return loss;
}

void require_same_run(const Run& planned) {
  std::filesystem::path file = std::filesystem::path(planned.run().folder()) / "config.yaml";
  if (!std::filesystem::exists(file)) return;
  Run before;
  load_config(file, {}, before, nullptr);
  std::string differences;
  for (const std::string& change : changed_settings(before, planned)) {
    if (decides_the_loss(change)) differences += "\n  " + change;
  }
  if (differences.empty()) return;
  fail_input(planned.run().folder() +
             ": it holds a run with other settings; put them back, or give the ladder another folder:" +
             differences);
}

}  // namespace sextant::trainer
