#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/batch.h"
#include "parallel/base/number.h"
#include "parallel/deferred_sinks.h"
#include "parallel/gradient_reducer.h"
#include "parallel/group.h"
#include "trainer/loss.h"
#include "trainer/metrics/breakdown.h"
#include "trainer/model/transformer.h"
#include "trainer/optimizer/optimizer.h"
#include "trainer/passes.h"
#include "trainer/quantum.h"
#include "trainer/trained_weights.h"

namespace sextant::trainer {

// What one step did. The same numbers on every rank.
struct StepReport {
  double loss = 0;       // mean over the positions that count, in the whole global batch
  double count = 0;      // these positions
  double grad_norm = 0;  // of the mean loss's gradient, before clipping
  double learning_rate = 0;
  double expert_load = 0;  // see balance_experts; 0 for a dense model
  bool finite = true;      // false: the update was left out, weights and optimizer are untouched
};

// How a step sums, shares out and updates.
struct StepSettings {
  OptimizerSettings optimizer;
  int64_t run_steps = 1;  // updates in the whole run, which the learning rate's schedule is over
  NumericsSettings::Reduction reduction = NumericsSettings::fast;
  TrainedWeights::Sharding sharding;
};

// One optimisation step: microbatches -> loss -> gradients -> clip -> update. Pretraining and alignment
// alike; they differ in the loss function.
class TrainStep {
 public:
  // Shares the weights out, allocates gradients and makes the optimizer over what this rank owns. Weights are
  // initialised or restored after this, through pieces() and refresh_values(). `known`: what every rank
  // holds, where that need not be asked. All ranks of the `world` must call. What is borrowed must outlive
  // the step.
  TrainStep(Passes& passes, const StepSettings& settings, parallel::Group& world,
            const parallel::Holdings* known = nullptr);
  // Takes the gradients' places away from the parameters.
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  const Transformer& model() const { return model_; }
  Optimizer& optimizer() { return *optimizer_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  // What this rank owns of each parameter.
  const std::vector<OwnedPiece>& pieces() const { return pieces_; }
  // Brings changed masters into the values of all ranks. All ranks of the world must call.
  void refresh_values();
  // The quantum of reproducible sums: goes on with a run.
  Quantum& quantum() { return quantum_; }
  const Quantum& quantum() const { return quantum_; }
  // Seconds that reproducible sums have cost on this rank besides communication.
  double integer_seconds() const { return gradients_.integer_seconds(); }

  // Trains on this rank's rows, cut into microbatches of `micro_batch` rows. `step` finished updates decide
  // the learning rate. Forward and backward may run twice (see Quantum). All ranks of the world must call
  // together.
  StepReport run(Step step, const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                 Breakdown& breakdown);

 private:
  // Sums over all microbatches and ranks.
  struct Totals {
    double loss = 0, count = 0;
    double largest = 0;  // magnitude that arrived, of reproducible sums
  };

  Totals attempt(const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                 Breakdown& breakdown);
  // Positions that count, of all ranks. Where ranks are known and not asked, they may not be there (see
  // parallel/rehearsal_group): then a rank without losses of its own sees none.
  double count_of(const Totals& totals) const;
  void update(const StepReport& report);

  Passes& passes_;
  const Transformer& model_;
  StepSettings settings_;
  parallel::Group& world_;
  TrainedWeights weights_;
  parallel::GradientReducer gradients_;
  parallel::DeferredSinks sinks_;  // between the weights and gradients_
  std::vector<OwnedPiece> pieces_;
  std::unique_ptr<Optimizer> optimizer_;
  Quantum quantum_;
  bool rehearses_;  // see count_of()
};

}  // namespace sextant::trainer
