#include "trainer/step.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "parallel/base/error.h"
#include "trainer/expert_balance.h"
#include "trainer/gradient_norm.h"
#include "trainer/kernels/fixed_point.h"
#include "trainer/optimizer/clip.h"
#include "trainer/optimizer/learning_rate.h"

namespace sextant::trainer {
namespace {

std::vector<at::Tensor> values_of(const ParameterList& parameters) {
  std::vector<at::Tensor> values;
  for (const auto& parameter : parameters) values.push_back(parameter->value);
  return values;
}

std::vector<parallel::GradientSink*> sinks_of(const parallel::GradientReducer& gradients, size_t count) {
  std::vector<parallel::GradientSink*> sinks;
  sinks.reserve(count);
  for (size_t i = 0; i < count; ++i) sinks.push_back(&gradients.sink(i));
  return sinks;
}

parallel::Reduction reduction_of(const StepSettings& settings) {
  return settings.reduction == NumericsSettings::reproducible ? parallel::Reduction::kReproducible
                                                              : parallel::Reduction::kFast;
}

parallel::SumRules rules_of(const StepSettings& settings, const ParameterList& parameters) {
  parallel::SumRules rules;
  for (const auto& parameter : parameters) rules.arrivals.push_back(parameter->uses);
  rules.reduction = reduction_of(settings);
  rules.loops = fixed_point_loops();
  switch (settings.sharding.zero_stage) {
    case 0:
      rules.memory = parallel::GradientMemory::kWhole;
      break;
    case 1:
      rules.memory = parallel::GradientMemory::kOwnedAfterwards;
      break;
    default:
      rules.memory = parallel::GradientMemory::kOwned;
  }
  return rules;
}

}  // namespace

TrainStep::TrainStep(Passes& passes, const StepSettings& settings, parallel::Group& world,
                     const parallel::Holdings* known)
    : passes_(passes),
      model_(passes.model()),
      settings_(settings),
      world_(world),
      weights_(model_.parameters(), world, settings.sharding, known),
      gradients_(values_of(model_.parameters()), weights_.layout(), weights_.holders(),
                 rules_of(settings, model_.parameters())),
      sinks_(sinks_of(gradients_, model_.parameters().size())),
      pieces_(weights_.pieces(gradients_)),
      optimizer_(make_optimizer(settings.optimizer, pieces_, model_.part().tensor)),
      rehearses_(known != nullptr) {
  size_t i = 0;
  for (const auto& parameter : model_.parameters()) parameter->sink = &sinks_.sink(i++);
}

TrainStep::~TrainStep() {
  for (const auto& parameter : model_.parameters()) parameter->sink = nullptr;
}

void TrainStep::refresh_values() {
  trainer::refresh_values(pieces_);
  weights_.gather_values();
}

TrainStep::Totals TrainStep::attempt(const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                                     Breakdown& breakdown) {
  gradients_.set_point(quantum_.point());
  clear_expert_loads(model_);
  gradients_.begin_step((batch.rows + micro_batch - 1) / micro_batch);
  // What passes do not spend on forward and backward, they wait for other stages.
  auto timer = breakdown.measure(TimeKind::kCommunication);
  LossParts parts = passes_.train(batch, micro_batch, loss, sinks_, breakdown);
  gradients_.finish();
  // Sums of losses in any order are equal, too: microbatches may lie on any rank.
  std::vector<parallel::FixedSum> sums(2);
  Totals totals;
  for (const at::Tensor& part : parts) {
    at::Tensor numbers = part.to(at::kCPU);
    for (size_t i = 0; i < sums.size(); ++i) {
      auto number = numbers[static_cast<int64_t>(i)].item<double>();
      if (!std::isfinite(number)) totals.largest = std::numeric_limits<double>::infinity();
      if (std::isfinite(number)) sums[i] += parallel::FixedSum::of(number);
    }
  }
  sums = parallel::reduce_sums(world_, sums);
  totals.largest = std::max(totals.largest, gradients_.largest());
  totals.largest = parallel::reduce_numbers(world_, {totals.largest}, parallel::Reduce::kMax)[0];
  totals.loss = std::isfinite(totals.largest) ? sums[0].value() : totals.largest;
  totals.count = sums[1].value();
  return totals;
}

double TrainStep::count_of(const Totals& totals) const {
  if (rehearses_) return std::max(totals.count, 1.0);
  require(totals.count > 0,
          "no position of the batch counts towards the loss; are all rows padding or masked?");
  return totals.count;
}

StepReport TrainStep::run(Step step, const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                          Breakdown& breakdown) {
  expect(batch.rows > 0 && micro_batch > 0, "a step has rows");
  bool reproducible = reduction_of(settings_) == parallel::Reduction::kReproducible;
  Totals totals = attempt(batch, micro_batch, loss, breakdown);
  if (reproducible && !quantum_.accepts(totals.largest)) {
    quantum_.learn(totals.largest);
    totals = attempt(batch, micro_batch, loss, breakdown);
    expect(quantum_.accepts(totals.largest), "a step done again has the same numbers");
  }
  auto timer = breakdown.measure(TimeKind::kOptimizer);
  totals.count = count_of(totals);
  StepReport report;
  report.loss = totals.loss / totals.count;
  report.count = totals.count;
  report.learning_rate = learning_rate(settings_.optimizer, step, settings_.run_steps);
  if (reproducible) quantum_.learn(totals.largest);
  // The update's own pass over the gradients makes means of sums and clips them.
  double norm =
      std::isfinite(totals.largest)
          ? gradient_norm(gradients_, weights_.layout(), weights_.holders(), world_, reduction_of(settings_))
          : totals.largest;
  report.grad_norm = norm / totals.count;
  report.finite = std::isfinite(report.loss) && std::isfinite(report.grad_norm);
  if (!report.finite) return report;
  update(report);
  report.expert_load = balance_experts(model_, world_);
  return report;
}

void TrainStep::update(const StepReport& report) {
  double clip = clip_scale(report.grad_norm, settings_.optimizer.grad_clip());
  optimizer_->update(report.learning_rate, clip / report.count);
  weights_.gather_values();
}

}  // namespace sextant::trainer
