#include "launch/plan_table.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "trainer/metrics/progress.h"

namespace sextant::launch {
namespace {

constexpr const char* kRow = "{} {:<38} {:>8} {:>9} {:>9} {:>11} {:>7} {:>7} {:>7}  {:>8} {:>7} {:>7} {:>9}";

std::string gib(double bytes) {
  return fmt::format("{:.2f}", bytes / kGib);
}

std::string share(double part) {
  return fmt::format("{:.1f} %", 100 * part);
}

std::string row(const Planned& plan, double memory) {
  const trainer::RankBytes& b = plan.bytes;
  std::string line =
      fmt::format(fmt::runtime(kRow), plan.own ? "*" : " ", axes_text(plan.layout), gib(b.weights),
                  gib(b.gradients), gib(b.optimizer), gib(b.activations), gib(b.buffers), gib(b.program),
                  gib(b.total()), fmt::format("{:.3g}", plan.time.seconds), share(plan.time.bubble),
                  share(plan.time.communication), trainer::count_text(plan.tokens_per_second));
  if (!plan.fits) line += fmt::format("  does not fit {}", gib(memory));
  if (!plan.note.empty()) line += fmt::format("  ({})", plan.note);
  return line;
}

std::string duration(double seconds) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < 2 * kMinute) return fmt::format("{:.0f} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{:.0f} min", seconds / kMinute);
  return seconds < 2 * kDay ? fmt::format("{:.1f} h", seconds / kHour)
                            : fmt::format("{:.1f} days", seconds / kDay);
}

// The keys that ask for it.
std::string overrides_of(const Planned& plan) {
  return fmt::format("parallel.tensor={} parallel.pipeline={} parallel.zero_stage={}", plan.mesh.tensor(),
                     plan.mesh.pipeline(), plan.mesh.zero_stage());
}

}  // namespace

std::string axes_text(const parallel::Layout& layout) {
  std::string text = fmt::format("data={}", layout.data);
  auto add = [&](const char* name, int64_t ranks) {
    if (ranks > 1) text += fmt::format(" {}={}", name, ranks);
  };
  add("tensor", layout.tensor);
  add("pipeline", layout.pipeline);
  add("context", layout.context);
  add("expert", layout.expert);
  if (layout.zero_stage > 0) text += fmt::format(" zero={}", layout.zero_stage);
  add("shard", layout.shard);
  return text;
}

std::string plan_table(const PlanReport& report) {
  std::string text = fmt::format("\n{:<40} {:^64}  {:^34}\n", "", "GiB of a rank", "a step");
  text += fmt::format(fmt::runtime(kRow), " ", "layout", "weights", "gradients", "optimizer", "activations",
                      "buffers", "program", "all", "seconds", "bubble", "sending", "tokens/s");
  text += '\n';
  for (const Planned& plan : report.layouts) text += row(plan, report.memory_bytes) + '\n';
  text += "\n* the layout of the file";
  if (!report.own_reason.empty()) text += ", chosen for it: " + report.own_reason;
  text += '\n';
  const Planned& best = report.layouts.front();
  if (!best.fits) return text;
  if (!best.own) text += fmt::format("the quickest that fits: {}\n", overrides_of(best));
  text += fmt::format("all {} steps of the run on it: {}\n", report.steps,
                      duration(static_cast<double>(report.steps) * best.time.seconds));
  return text;
}

std::string plan_json(const PlanReport& report) {
  nlohmann::ordered_json layouts = nlohmann::ordered_json::array();
  for (const Planned& plan : report.layouts) {
    const trainer::RankBytes& b = plan.bytes;
    layouts.push_back({{"layout", parallel::layout_text(plan.layout)},
                       {"of_the_file", plan.own},
                       {"rehearsed", plan.rehearsed},
                       {"fits", plan.fits},
                       {"memory_bytes",
                        {{"weights", b.weights},
                         {"gradients", b.gradients},
                         {"optimizer", b.optimizer},
                         {"activations", b.activations},
                         {"buffers", b.buffers},
                         {"program", b.program},
                         {"total", b.total()}}},
                       {"step_seconds", plan.time.seconds},
                       {"bubble", plan.time.bubble},
                       {"communication", plan.time.communication},
                       {"tokens_per_second", plan.tokens_per_second},
                       {"note", plan.note}});
  }
  nlohmann::ordered_json all = {{"ranks", report.ranks},
                                {"ranks_on_machine", report.ranks_on_machine},
                                {"memory_bytes", report.memory_bytes},
                                {"layouts", layouts}};
  return all.dump(2) + '\n';
}

}  // namespace sextant::launch
