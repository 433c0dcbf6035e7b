#include "trainer/passes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// A stage's microbatch between its forward and its backward.
struct Kept {
  at::Tensor x;  // a leaf; undefined for the first stage
  at::Tensor y;  // the last stage: the loss
};

// [2] fp64
at::Tensor totals(const LossSum& part) {
  return at::stack({part.sum.detach().to(at::kDouble), part.count});
}

}  // namespace

Passes::Passes(const Transformer& model)
    : model_(model),
      alone_(parallel::single_rank_group("pipeline")),
      pipeline_(*alone_),
      engine_(pipeline_) {}

Passes::Passes(const Transformer& model, parallel::Group& pipeline, const parallel::MeshSettings& settings)
    : model_(model), settings_(settings), pipeline_(pipeline), engine_(pipeline) {
  expect(settings.pipeline() == pipeline.size(), "the pipeline has as many ranks as the settings");
  expect(static_cast<int64_t>(model.stages()) == shape(1).chunks, "the model has a stage for each chunk");
}

Rank Passes::last_rank() const {
  parallel::ScheduleShape all = shape(1);
  return Rank(parallel::place_of(all, all.stages() - 1).rank);
}

bool Passes::adds_losses() const {
  const parallel::Group* tensor = model_.part().tensor;
  return pipeline_.rank() == last_rank() && (tensor == nullptr || tensor->rank() == Rank(0));
}

parallel::ActivationType Passes::activation_type(int64_t rows, int64_t time) const {
  const ParameterList& parameters = model_.parameters();
  return {{rows, time, model_.settings().width()},
          at::TensorOptions(parameters.device()).dtype(parameters.precision().compute)};
}

parallel::ActivationType Passes::trained_type(const Rows& rows) const {
  const parallel::Group* tensor = model_.part().tensor;
  return activation_type(rows.tokens.size(0), rows.tokens.size(1) / (tensor == nullptr ? 1 : tensor->size()));
}

LossParts Passes::train(const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                        parallel::DeferredSinks& sinks, Breakdown& breakdown) {
  int64_t microbatches = (batch.rows + micro_batch - 1) / micro_batch;
  parallel::Schedule schedule = parallel::make_schedule(shape(microbatches));
  expect(schedule.shape.stages() == 1 || batch.rows % micro_batch == 0, "microbatches are of one shape");
  auto rows_at = [&](int64_t microbatch) {
    int64_t first = microbatch * micro_batch;
    return rows_of(batch, first, std::min(micro_batch, batch.rows - first), model_.parameters().device(),
                   model_.context_cut());
  };
  std::map<parallel::DeferredSinks::Key, Kept> kept;
  LossParts parts(static_cast<size_t>(microbatches));
  sinks.clear();

  parallel::StageCalls calls;
  calls.forward = [&](int64_t chunk, int64_t microbatch, const at::Tensor& x) {
    auto timer = breakdown.measure(TimeKind::kForward);
    auto stage = static_cast<size_t>(chunk);
    Rows rows = rows_at(microbatch);
    if (x.defined()) x.requires_grad_(true);
    at::Tensor y = model_.forward_stage(stage, x, rows);
    if (model_.ends(stage)) {
      LossSum part = loss(model_, y, rows);
      parts[static_cast<size_t>(microbatch)] = totals(part);
      y = part.sum;
    }
    kept[{chunk, microbatch}] = {x, y};
    return y.detach();
  };
  calls.backward = [&](const parallel::Action& action, const at::Tensor& dy) {
    auto timer = breakdown.measure(TimeKind::kBackward);
    auto mine = kept.extract({action.chunk, action.microbatch});
    if (action.kind == parallel::ActionKind::kInputGradient) sinks.hold(mine.key());
    torch::autograd::backward({mine.mapped().y}, {dy});
    sinks.pass();
    const at::Tensor& x = mine.mapped().x;
    return x.defined() ? x.grad() : at::Tensor();
  };
  calls.weights = [&](int64_t chunk, int64_t microbatch) {
    auto timer = breakdown.measure(TimeKind::kBackward);
    sinks.run({chunk, microbatch});
  };
  engine_.run(schedule, trained_type(rows_at(0)), calls);
  return adds_losses() ? parts : LossParts();
}

void Passes::listen(int64_t count, const std::function<Rows(int64_t microbatch)>& rows,
                    const Listener& listener) {
  if (count == 0) return;
  at::NoGradGuard no_gradient;
  parallel::StageCalls calls;
  calls.forward = [&](int64_t chunk, int64_t microbatch, const at::Tensor& x) {
    auto stage = static_cast<size_t>(chunk);
    Rows these = rows(microbatch);
    at::Tensor y = model_.forward_stage(stage, x, these);
    if (model_.ends(stage)) listener(microbatch, y, these);
    return y;
  };
  engine_.run(parallel::forward_schedule(shape(count)), trained_type(rows(0)), calls);
}

LossParts Passes::evaluate(int64_t count, const std::function<Rows(int64_t microbatch)>& rows,
                           const LossFunction& loss) {
  LossParts parts(static_cast<size_t>(count));
  listen(count, rows, [&](int64_t microbatch, const at::Tensor& hidden, const Rows& these) {
    parts[static_cast<size_t>(microbatch)] = totals(loss(model_, hidden, these));
  });
  return adds_losses() ? parts : LossParts();
}

at::Tensor Passes::hidden(const Rows& rows, Cache& cache) {
  at::Tensor last;
  parallel::StageCalls calls;
  calls.forward = [&](int64_t chunk, int64_t, const at::Tensor& x) {
    auto stage = static_cast<size_t>(chunk);
    at::Tensor y = model_.forward_stage(stage, x, rows, &cache);
    if (model_.ends(stage)) last = y;
    return y;
  };
  parallel::ActivationType type = activation_type(rows.tokens.size(0), rows.tokens.size(1));
  engine_.run(parallel::forward_schedule(shape(1)), type, calls);
  return from_last(last, type.shape, type.options);
}

at::Tensor Passes::hidden(const at::Tensor& tokens, const at::Tensor& positions, Cache& cache) {
  Rows rows;
  rows.tokens = tokens;
  rows.positions = positions;
  at::Tensor last = hidden(rows, cache);
  cache.fill = CacheFill::kSome;
  return last;
}

at::Tensor Passes::hidden(const at::Tensor& tokens, const at::Tensor& positions,
                          const std::vector<Branch>& branches, Cache& kept) {
  Rows rows;
  rows.tokens = tokens;
  rows.positions = positions;
  rows.branches = branches;
  return hidden(rows, kept);
}

at::Tensor Passes::logits(const at::Tensor& hidden) {
  at::Tensor logits;
  if (pipeline_.rank() == last_rank()) logits = model_.logits(hidden);
  auto type = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return from_last(logits, {hidden.size(0), model_.settings().vocabulary()}, hidden.options().dtype(type));
}

TargetScores Passes::score(const at::Tensor& hidden, const at::Tensor& rows, const at::Tensor& targets) {
  at::Tensor both;  // [2, P] fp64
  if (pipeline_.rank() == last_rank()) {
    TargetScores scores = target_scores(hidden, model_.output_weight(), rows, targets, model_.part().tensor);
    both = at::stack({scores.log_probabilities, scores.likeliest.to(at::kDouble)});
  }
  both = from_last(both, {2, targets.size(0)}, hidden.options().dtype(at::kDouble));
  return {both[0], both[1] > 0};
}

at::Tensor Passes::from_last(const at::Tensor& there, at::IntArrayRef shape, at::TensorOptions options) {
  if (!pipelined()) return there;
  at::Tensor x = pipeline_.rank() == last_rank() ? there.contiguous() : at::empty(shape, options);
  pipeline_.broadcast(x, last_rank());
  return x;
}

}  // namespace sextant::trainer
