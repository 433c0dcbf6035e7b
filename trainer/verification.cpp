#include "trainer/verification.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"
#include "trainer/assembly.h"
#include "trainer/checkpoint/gather.h"
#include "trainer/model/initialise.h"
#include "trainer/start_from.h"
#include "trainer/state.h"

namespace sextant::trainer {
namespace {

constexpr const char* kWeights = "weights/";

void start(const Run& config, const Assembly& assembly) {
  TrainStep& step = assembly.step();
  if (config.run().has_start_from()) {
    restore_weights(CheckpointReader(config.run().start_from()), step);
  } else {
    initialise(step.pieces(), config.run().seed());
  }
  step.refresh_values();
}

// Whole weights by name, on rank 0.
std::map<std::string, at::Tensor> gather_weights(parallel::Group& world, const TrainStep& step) {
  std::vector<StateTensor> weights = training_state(step);
  std::erase_if(weights, [](const StateTensor& tensor) { return !tensor.name.starts_with(kWeights); });
  return gather_state(world, weights);
}

double relative(double reference, double other) {
  if (reference == other) return 0;
  return std::abs(other - reference) / std::abs(reference);
}

double worst_of(const std::vector<double>& numbers) {
  double worst = 0;
  for (double number : numbers) worst = std::isnan(number) ? number : std::max(worst, number);
  return worst;
}

double size_of(const at::Tensor& x) {
  return x.to(at::kDouble).norm().item<double>();
}

TraceDifference::Parameter difference_of(const std::string& name, const at::Tensor& before,
                                         const at::Tensor& reference, const at::Tensor& other) {
  double moved = size_of(reference.to(at::kDouble) - before.to(at::kDouble));
  double apart = size_of(other.to(at::kDouble) - reference.to(at::kDouble));
  double size = size_of(before);
  return {name, size > 0 ? moved / size : moved, apart == 0 ? 0 : apart / moved};
}

}  // namespace

Trace trace_run(const Run& config, parallel::Group& world, at::Device device, int64_t steps) {
  Assembly assembly(config, world, device);
  const parallel::Group& data = assembly.mesh().data();
  data::Loader rows(config.data(), rows_shape(config, data.rank().value(), data.size()), data::Split::kTrain);
  start(config, assembly);
  Trace trace;
  if (config.model().kind() == ModelSettings::gpt2) trace.moved_by_rounding = ".attention.key.bias";
  trace.before = gather_weights(world, assembly.step());
  LossFunction loss = next_token_loss(config.numerics().loss_chunk());
  Breakdown breakdown;
  for (int64_t s = 0; s < steps; ++s) {
    StepReport report =
        assembly.step().run(Step(s), rows.batch(s), config.run().micro_batch(), loss, breakdown);
    trace.losses.push_back(report.loss);
    trace.grad_norms.push_back(report.grad_norm);
  }
  trace.after = gather_weights(world, assembly.step());
  return trace;
}

Run on_one_rank(const Run& config) {
  Run alone = config;
  auto& mesh = *alone.mutable_parallel();
  mesh.set_data(1);
  mesh.set_tensor(1);
  mesh.set_pipeline(1);
  mesh.set_context(1);
  mesh.set_expert(1);
  mesh.set_zero_stage(0);
  mesh.clear_shard();
  mesh.clear_schedule();
  mesh.clear_chunks();
  mesh.clear_stage_layers();
  return alone;
}

TraceDifference compare(const Trace& reference, const Trace& other) {
  at::NoGradGuard no_gradient;
  expect(reference.losses.size() == other.losses.size(), "traces of equally many steps");
  TraceDifference found;
  for (size_t s = 0; s < reference.losses.size(); ++s) {
    found.losses.push_back(relative(reference.losses[s], other.losses[s]));
    found.grad_norms.push_back(relative(reference.grad_norms[s], other.grad_norms[s]));
  }
  for (const auto& [name, after] : reference.after) {
    if (!reference.moved_by_rounding.empty() && name.ends_with(reference.moved_by_rounding)) continue;
    auto theirs = other.after.find(name);
    expect(theirs != other.after.end(), "traces of one model");
    found.weights.push_back(difference_of(name.substr(std::string(kWeights).size()),
                                          reference.before.at(name), after, theirs->second));
    found.equal_bits = found.equal_bits && at::equal(after, theirs->second);
  }
  return found;
}

double TraceDifference::worst_loss() const {
  return worst_of(losses);
}
double TraceDifference::worst_grad_norm() const {
  return worst_of(grad_norms);
}
double TraceDifference::worst_weight() const {
  std::vector<double> all;
  all.reserve(weights.size());
  for (const Parameter& parameter : weights) all.push_back(parameter.relative);
  return worst_of(all);
}

TraceBounds bounds_for(NumericsSettings::Compute compute) {
  switch (compute) {
    case NumericsSettings::fp64:
      return {
          1e-10, 1e-7,
          "sums of some thousand numbers in another order differ by 1e-13; Adam divides small gradients by "
          "their own size, which carries the rounding of the smallest into the weights"};
    case NumericsSettings::fp32:
      return {1e-5, 1e-3,
              "fp32 rounds at 6e-8, sums in another order differ by 1e-6, and each step builds on the last"};
    case NumericsSettings::bf16:
      return {2e-2, 0.5, "bf16 rounds at 4e-3, and partial sums are rounded where ranks meet"};
  }
  return {0, 0, ""};
}

bool within(const TraceDifference& difference, const TraceBounds& bounds) {
  return difference.worst_loss() <= bounds.loss && difference.worst_weight() <= bounds.weight;
}

}  // namespace sextant::trainer
