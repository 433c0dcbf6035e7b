// Whole training steps by every update rule, with sharded state and weights, on tensor and context axes
// beside data, against one rank.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/base/seed.h"
#include "parallel/group_threads.h"
#include "trainer/assembly.h"
#include "trainer/config/rules.h"
#include "trainer/model/initialise.h"

namespace sextant::trainer::layouts_test {
namespace {

constexpr int64_t kSteps = 4;

struct Layout {
  int32_t data = 1, tensor = 1, context = 1, zero_stage = 0;
};

Run run_of(OptimizerSettings::Kind kind, Layout layout) {
  Run run;
  run.mutable_run()->set_steps(kSteps);
  run.mutable_run()->set_seed(3);
  run.mutable_run()->set_global_batch(4);
  run.mutable_run()->set_micro_batch(1);
  ModelSettings& model = *run.mutable_model();
  model.set_layers(2);
  model.set_width(32);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(48);
  model.set_context(16);
  model.mutable_mup()->set_base_width(16);
  run.mutable_optimizer()->set_kind(kind);
  run.mutable_optimizer()->set_learning_rate(1e-2);
  run.mutable_numerics()->set_compute(NumericsSettings::fp64);
  run.mutable_parallel()->set_data(layout.data);
  run.mutable_parallel()->set_tensor(layout.tensor);
  run.mutable_parallel()->set_context(layout.context);
  run.mutable_parallel()->set_zero_stage(layout.zero_stage);
  fill_defaults(run, 64);
  return run;
}

data::Batch batch_of(const Run& run, int64_t step) {
  RandomKey key(run.run().seed(), "tokens");
  data::Batch batch;
  batch.rows = run.run().global_batch();
  batch.time = run.model().context();
  for (int64_t i = 0; i < batch.rows * batch.time; ++i) {
    auto index = static_cast<uint64_t>(i);
    batch.tokens.push_back(static_cast<int64_t>(key.below(64, static_cast<uint64_t>(step), index)));
    batch.targets.push_back(static_cast<int64_t>(key.below(64, static_cast<uint64_t>(step), index + 1)));
    batch.positions.push_back(i % batch.time);
  }
  batch.loss_mask.assign(batch.tokens.size(), 1.0f);
  return batch;
}

std::vector<StepReport> trained(const Run& run, parallel::Group& world) {
  Assembly assembly(run, world, at::kCPU);
  TrainStep& step = assembly.step();
  initialise(step.pieces(), run.run().seed());
  step.refresh_values();
  Breakdown breakdown;
  std::vector<StepReport> reports;
  int64_t slices = run.parallel().data(), rows = run.run().global_batch() / slices;
  for (int64_t s = 0; s < kSteps; ++s) {
    data::Batch own = batch_of(run, s).slice(assembly.mesh().data().rank().value() * rows, rows);
    reports.push_back(step.run(Step(s), own, 1, next_token_loss(5), breakdown));
  }
  return reports;
}

class OptimizerLayouts : public testing::TestWithParam<OptimizerSettings::Kind> {};

TEST_P(OptimizerLayouts, GiveOneRanksLosses) {
  auto alone = parallel::single_rank_group();
  std::vector<StepReport> reference = trained(run_of(GetParam(), {}), *alone);
  const std::vector<Layout> layouts = {{2, 2, 1, 1}, {2, 2, 1, 3}, {2, 1, 2, 3}, {4, 1, 1, 3}, {1, 4, 1, 3}};
  for (const Layout& layout : layouts) {
    parallel::run_ranks(4, [&](parallel::Group& world) {
      std::vector<StepReport> reports = trained(run_of(GetParam(), layout), world);
      for (size_t s = 0; s < reports.size(); ++s) {
        EXPECT_NEAR(reports[s].loss, reference[s].loss, 1e-10 * reference[s].loss)
            << "data " << layout.data << " tensor " << layout.tensor << " context " << layout.context
            << " zero " << layout.zero_stage << " step " << s;
        EXPECT_NEAR(reports[s].grad_norm, reference[s].grad_norm, 1e-9 * reference[s].grad_norm)
            << "step " << s;
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, OptimizerLayouts,
                         testing::Values(OptimizerSettings::adamw, OptimizerSettings::muon,
                                         OptimizerSettings::adafactor),
                         [](const auto& named) { return OptimizerSettings::Kind_Name(named.param); });

}  // namespace
}  // namespace sextant::trainer::layouts_test
