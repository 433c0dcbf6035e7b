#include "trainer/scaling/coordinates.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "parallel/base/error.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"
#include "trainer/scaling/random_rows.h"
#include "trainer/step.h"

namespace sextant::trainer {
namespace {

using Activations = std::vector<std::pair<std::string, at::Tensor>>;  // place, numbers

int32_t in_proportion(const char* key, int64_t value, int64_t width, int64_t base_width) {
  if (value * width % base_width != 0 || value * width / base_width == 0) {
    fail_input(
        fmt::format("{}={} times width {} over model.width={} is no whole number; choose widths that are "
                    "multiples of {}",
                    key, value, width, base_width, base_width / std::gcd(base_width, value)));
  }
  return static_cast<int32_t>(value * width / base_width);
}

// Every block by itself, so that what stands between them is seen.
ModelPart block_by_block(const ModelSettings& model) {
  ModelPart part;
  for (int64_t layer = 0; layer < model.layers(); ++layer) part.stages.push_back({layer, layer + 1});
  return part;
}

Activations activations_of(const Transformer& model, const Rows& rows) {
  at::NoGradGuard no_gradient;
  Activations all;
  at::Tensor x;
  for (size_t stage = 0; stage < model.stages(); ++stage) {
    x = model.forward_stage(stage, x, rows);
    if (!model.ends(stage)) all.emplace_back(fmt::format("blocks.{}", stage), x.to(at::kDouble));
  }
  all.emplace_back("logits", model.logits(x).to(at::kDouble));
  return all;
}

void measure(const Activations& now, const Activations& before, int64_t width, int64_t updates,
             std::vector<Coordinate>& found) {
  for (size_t i = 0; i < now.size(); ++i) {
    const at::Tensor& numbers = now[i].second;
    found.push_back({width, updates, now[i].first, numbers.abs().mean().item<double>(),
                     (numbers - before[i].second).abs().mean().item<double>()});
  }
}

void measure_width(const Run& run, const CoordinateCheck& check, std::vector<Coordinate>& found) {
  auto alone = parallel::single_rank_group();
  Transformer model(run.model(), run.numerics().recompute(), precision_of(run.numerics().compute()), at::kCPU,
                    block_by_block(run.model()));
  StepSettings settings;
  settings.optimizer = run.optimizer();
  settings.run_steps = run.run().steps();
  parallel::MeshSettings chunks;  // each block is a stage of this rank
  if (model.stages() > 1) {
    chunks.set_schedule(parallel::MeshSettings::interleaved);
    chunks.set_chunks(static_cast<int32_t>(model.stages()));
  }
  Passes passes(model, *alone, chunks);
  TrainStep step(passes, settings, *alone);
  initialise(model.parameters(), run.run().seed());
  data::Batch batch = random_rows(run, check.rows);
  Rows rows = rows_of(batch, 0, batch.rows, at::kCPU, model.context_cut());
  LossFunction loss = next_token_loss(run.numerics().loss_chunk());
  Breakdown breakdown;
  Activations before = activations_of(model, rows);
  measure(before, before, run.model().width(), 0, found);
  for (int64_t update = 1; update <= check.updates; ++update) {
    step.run(Step(update - 1), batch, check.rows, loss, breakdown);
    measure(activations_of(model, rows), before, run.model().width(), update, found);
  }
}

}  // namespace

ModelSettings at_width(const ModelSettings& model, int64_t width) {
  ModelSettings other = model;
  int64_t base = model.width();
  other.set_width(static_cast<int32_t>(width));
  other.set_heads(in_proportion("model.heads", model.heads(), width, base));
  other.set_kv_heads(in_proportion("model.kv_heads", model.kv_heads(), width, base));
  other.set_ffn_width(in_proportion("model.ffn_width", model.ffn_width(), width, base));
  if (model.kind() == ModelSettings::llama) other.set_head_width(static_cast<int32_t>(head_width(model)));
  return other;
}

std::vector<Coordinate> coordinates(const Run& run, const CoordinateCheck& check) {
  Run constant = run;
  constant.mutable_optimizer()->set_schedule(OptimizerSettings::constant);
  constant.mutable_optimizer()->set_warmup_steps(0);
  std::vector<Coordinate> found;
  for (int64_t width : check.widths) {
    *constant.mutable_model() = at_width(run.model(), width);
    measure_width(constant, check, found);
  }
  return found;
}

double growth(const std::vector<Coordinate>& coordinates, const std::string& place, int64_t updates) {
  double count = 0, x_sum = 0, y_sum = 0, xx_sum = 0, xy_sum = 0;
  for (const Coordinate& each : coordinates) {
    if (each.place != place || each.updates != updates) continue;
    double x = std::log(static_cast<double>(each.width)), y = std::log(each.change);
    ++count, x_sum += x, y_sum += y, xx_sum += x * x, xy_sum += x * y;
  }
  return (count * xy_sum - x_sum * y_sum) / (count * xx_sum - x_sum * x_sum);
}

std::vector<std::string> places_of(const std::vector<Coordinate>& coordinates) {
  std::vector<std::string> places;
  for (const Coordinate& each : coordinates) {
    if (std::find(places.begin(), places.end(), each.place) == places.end()) places.push_back(each.place);
  }
  return places;
}

}  // namespace sextant::trainer
