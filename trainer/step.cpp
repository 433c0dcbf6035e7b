#include "trainer/step.h"

#include <ATen/ATen.h>

#include <cmath>

#include "parallel/base/error.h"
#include "trainer/optimizer/clip.h"
#include "trainer/optimizer/learning_rate.h"

namespace sextant::trainer {
namespace {

std::vector<parallel::TrainedLeaf> leaves(const ParameterList& parameters) {
  std::vector<parallel::TrainedLeaf> result;
  for (const auto& parameter : parameters)
    result.push_back({parameter->value, parameter->master.scalar_type()});
  return result;
}

std::vector<at::Tensor> gradients_of(const ParameterList& parameters) {
  std::vector<at::Tensor> result;
  for (const auto& parameter : parameters) result.push_back(parameter->grad);
  return result;
}

}  // namespace

TrainStep::TrainStep(const Transformer& model, const OptimizerSettings& settings, int64_t run_steps,
                     parallel::Group& replicas, int64_t bucket_bytes)
    : model_(model),
      settings_(settings),
      run_steps_(run_steps),
      replicas_(replicas),
      gradients_(leaves(model.parameters()), bucket_bytes, replicas) {
  size_t i = 0;
  for (const auto& parameter : model.parameters()) {
    parameter->sink = &gradients_.sink(i);
    parameter->grad = gradients_.gradient(i++);
  }
  optimizer_ = make_optimizer(settings, whole_pieces(model.parameters()));
}

TrainStep::~TrainStep() {
  for (const auto& parameter : model_.parameters()) parameter->sink = nullptr;
}

std::pair<double, double> TrainStep::accumulate(const data::Batch& batch, int64_t micro_batch,
                                                const LossFunction& loss, Breakdown& breakdown) {
  at::Tensor sums;  // [2] fp64: read once, after the last microbatch
  for (int64_t first = 0; first < batch.rows; first += micro_batch) {
    bool last = first + micro_batch >= batch.rows;
    gradients_.begin(last ? parallel::Microbatch::kLast : parallel::Microbatch::kEarlier);
    LossSum part;
    {
      auto timer = breakdown.measure(TimeKind::kForward);
      Rows rows = rows_of(batch, first, std::min(micro_batch, batch.rows - first),
                          model_.parameters().device(), model_.context_cut());
      part = loss_of(model_, rows, loss);
    }
    auto timer = breakdown.measure(TimeKind::kBackward);
    part.sum.backward();
    at::Tensor both = at::stack({part.sum.detach().to(at::kDouble), part.count});
    sums = sums.defined() ? sums + both : both;
  }
  sums = sums.to(at::kCPU);
  return {sums[0].item<double>(), sums[1].item<double>()};
}

StepReport TrainStep::run(Step step, const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                          Breakdown& breakdown) {
  expect(batch.rows > 0 && micro_batch > 0, "a step has rows");
  auto [sum, count] = accumulate(batch, micro_batch, loss, breakdown);
  StepReport report;
  {
    auto timer = breakdown.measure(TimeKind::kCommunication);
    gradients_.finish();
    auto totals = parallel::reduce_numbers(replicas_, {sum, count});
    sum = totals[0], count = totals[1];
  }
  auto timer = breakdown.measure(TimeKind::kOptimizer);
  require(count > 0, "no position of the batch counts towards the loss; are all rows padding or masked?");
  report.loss = sum / count;
  report.count = count;
  report.learning_rate = learning_rate(settings_, step, run_steps_);
  // The update's own pass over the gradients makes means of sums and clips them.
  report.grad_norm = global_norm(gradients_of(model_.parameters())) / count;
  report.finite = std::isfinite(report.loss) && std::isfinite(report.grad_norm);
  if (!report.finite) return report;
  double scale = clip_scale(report.grad_norm, settings_.grad_clip()) / count;
  optimizer_->update(report.learning_rate, scale);
  return report;
}

}  // namespace sextant::trainer
