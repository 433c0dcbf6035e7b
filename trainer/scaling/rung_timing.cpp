#include "trainer/scaling/rung_timing.h"

#include <algorithm>
#include <chrono>

#include "trainer/model/initialise.h"
#include "trainer/scaling/random_rows.h"
#include "trainer/step.h"

namespace sextant::trainer {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kTries = 2;

}  // namespace

double seconds_per_update(const Run& run) {
  auto alone = parallel::single_rank_group();
  Transformer model(run.model(), run.numerics().recompute(), precision_of(run.numerics().compute()),
                    at::kCPU);
  StepSettings settings;
  settings.optimizer = run.optimizer();
  settings.run_steps = run.run().steps();
  Passes passes(model);
  TrainStep step(passes, settings, *alone);
  initialise(model.parameters(), run.run().seed());
  LossFunction loss = next_token_loss(run.numerics().loss_chunk());
  Breakdown breakdown;
  int64_t micro = run.run().micro_batch(), microbatches = run.run().global_batch() / micro, updates = 0;
  auto seconds = [&](int64_t count) {
    data::Batch batch = random_rows(run, count * micro);
    double least = 0;
    for (int i = 0; i < kTries; ++i) {
      auto start = SteadyClock::now();
      step.run(Step(updates++), batch, micro, loss, breakdown);
      double took = std::chrono::duration<double>(SteadyClock::now() - start).count();
      least = i == 0 ? took : std::min(least, took);
    }
    return least;
  };
  step.run(Step(updates++), random_rows(run, micro), micro, loss, breakdown);  // memory is found
  double one = seconds(1), two = microbatches > 1 ? seconds(2) : 2 * one;
  double microbatch = std::max(two - one, 0.0);
  return one + microbatch * static_cast<double>(microbatches - 1);
}

}  // namespace sextant::trainer
