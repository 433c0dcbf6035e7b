#pragma once

#include <cstdint>
#include <memory>

#include "data/batch.h"
#include "parallel/base/number.h"
#include "parallel/group.h"
#include "parallel/replicate.h"
#include "trainer/loss.h"
#include "trainer/metrics/breakdown.h"
#include "trainer/model/transformer.h"
#include "trainer/optimizer/optimizer.h"

namespace sextant::trainer {

// What one step did. The same numbers on every rank.
struct StepReport {
  double loss = 0;       // mean over the positions that count, in the whole global batch
  double count = 0;      // these positions
  double grad_norm = 0;  // of the mean loss's gradient, before clipping
  double learning_rate = 0;
  bool finite = true;  // false: the update was left out, weights and optimizer are untouched
};

// One optimisation step: microbatches -> loss -> gradients -> clip -> update. Pretraining and alignment
// alike; they differ in the loss function.
class TrainStep {
 public:
  // Allocates gradients, gives each parameter its grad, and makes the optimizer over them. All ranks of
  // `replicas` (data x context) must call. What is borrowed must outlive the step.
  TrainStep(const Transformer& model, const OptimizerSettings& settings, int64_t run_steps,
            parallel::Group& replicas, int64_t bucket_bytes);
  // Takes the gradients' places away from the parameters.
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  Optimizer& optimizer() { return *optimizer_; }

  // Trains on this rank's rows, cut into microbatches of `micro_batch` rows. `step` finished updates decide
  // the learning rate. All ranks of the replicas must call together.
  StepReport run(Step step, const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                 Breakdown& breakdown);

 private:
  const Transformer& model_;
  OptimizerSettings settings_;
  int64_t run_steps_;
  parallel::Group& replicas_;
  parallel::GradientReducer gradients_;
  std::unique_ptr<Optimizer> optimizer_;

  // Forward and backward of all microbatches; this rank's {sum of losses, count}.
  std::pair<double, double> accumulate(const data::Batch& batch, int64_t micro_batch,
                                       const LossFunction& loss, Breakdown& breakdown);
};

}  // namespace sextant::trainer
