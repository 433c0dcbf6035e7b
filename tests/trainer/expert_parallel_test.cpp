// Ten steps of a mixture of experts, shared out over ranks in every way, against one rank.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "parallel/group_threads.h"
#include "trainer/assembly.h"
#include "trainer/checkpoint/box.h"
#include "trainer/config/rules.h"
#include "trainer/loss.h"
#include "trainer/model/initialise.h"

namespace sextant::trainer::expert_parallel_test {
namespace {

constexpr int64_t kGlobal = 8, kTime = 8, kVocabulary = 40, kSteps = 10;

// Dense, then experts; every rule that trains them is on.
trainer::Run mixture(NumericsSettings::Recompute recompute) {
  trainer::Run config;
  ModelSettings& model = *config.mutable_model();
  model.set_layers(3);
  model.set_width(16);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(24);
  model.set_context(kTime);
  model.set_vocabulary(kVocabulary);
  model.set_initial_std(0.2);
  ExpertSettings& experts = *model.mutable_experts();
  experts.set_count(4);
  experts.set_ffn_width(12);
  experts.set_first_layer(1);
  experts.set_shared(1);
  experts.set_balance_loss(0.05);
  experts.set_z_loss(0.01);
  experts.set_balance_bias_rate(0.01);
  experts.set_capacity_factor(1.2);
  config.mutable_run()->set_steps(kSteps);
  config.mutable_run()->set_global_batch(kGlobal);
  config.mutable_run()->set_micro_batch(1);
  config.mutable_optimizer()->set_learning_rate(3e-3);
  config.mutable_optimizer()->set_warmup_steps(2);
  config.mutable_numerics()->set_compute(NumericsSettings::fp64);
  config.mutable_numerics()->set_recompute(recompute);
  config.mutable_parallel()->set_bucket_bytes(4096);
  fill_defaults(config, kVocabulary);
  return config;
}

// The global batch of a step, by a formula.
data::Batch batch_of(int64_t step) {
  data::Batch batch;
  batch.rows = kGlobal;
  batch.time = kTime;
  for (int64_t row = 0; row < kGlobal; ++row) {
    for (int64_t t = 0; t < kTime; ++t) {
      int64_t i = step * 31 + row * 7 + t;
      batch.tokens.push_back((i * i + 3 * i) % kVocabulary);
      batch.targets.push_back(((i + 1) * (i + 1) + 3 * (i + 1)) % kVocabulary);
      batch.loss_mask.push_back(1);
      batch.positions.push_back(t);
    }
  }
  return batch;
}

struct Trained {
  std::vector<StepReport> reports;
  std::map<std::string, at::Tensor> weights;  // what this rank has of them, "name" and buffers
  std::map<std::string, parallel::Slice> slices;
};

Trained train_ten(const trainer::Run& config, parallel::Group& world, int64_t micro_batch) {
  Assembly assembly(config, world, at::kCPU);
  const ParameterList& parameters = assembly.model().parameters();
  initialise(assembly.step().pieces(), 3);
  assembly.step().refresh_values();
  int64_t slices = assembly.mesh().data().size(), slice = assembly.mesh().data().rank().value();
  Breakdown breakdown;
  Trained trained;
  for (int64_t s = 0; s < kSteps; ++s) {
    data::Batch batch = batch_of(s).slice(kGlobal / slices * slice, kGlobal / slices);
    trained.reports.push_back(
        assembly.step().run(Step(s), batch, micro_batch, next_token_loss(5), breakdown));
  }
  for (const auto& parameter : parameters) {
    trained.weights[parameter->name] = parameter->value.detach().clone();
    trained.slices[parameter->name] = parameter->slice();
  }
  for (const Buffer& buffer : parameters.buffers()) trained.weights[buffer.name] = buffer.numbers.clone();
  return trained;
}

void expect_equal(const Trained& got, const Trained& wanted, const std::string& where) {
  for (size_t s = 0; s < wanted.reports.size(); ++s) {
    EXPECT_NEAR(got.reports[s].loss, wanted.reports[s].loss, 1e-10) << where << " step " << s;
    EXPECT_NEAR(got.reports[s].grad_norm, wanted.reports[s].grad_norm, 1e-9) << where << " step " << s;
    EXPECT_EQ(got.reports[s].expert_load, wanted.reports[s].expert_load) << where << " step " << s;
  }
  for (const auto& [name, weight] : got.weights) {
    at::Tensor whole = wanted.weights.at(name);
    auto slice = got.slices.find(name);
    if (slice != got.slices.end()) whole = view_of(whole, slice->second);
    double scale = whole.abs().max().item<double>();
    EXPECT_LT((weight - whole).abs().max().item<double>(), 1e-10 * scale) << where << " " << name;
  }
}

Trained alone(const trainer::Run& config, int64_t micro_batch) {
  auto group = parallel::single_rank_group();
  return train_ten(config, *group, micro_batch);
}

TEST(ExpertParallel, LayoutsEqualOneRank) {
  for (auto recompute : {NumericsSettings::none, NumericsSettings::full}) {
    trainer::Run config = mixture(recompute);
    Trained wanted = alone(config, 1);
    EXPECT_GT(wanted.reports[0].loss - wanted.reports[9].loss, 0.1) << "it learns";
    EXPECT_GT(wanted.reports[0].expert_load, 1);
    for (auto [data, expert] : std::vector<std::pair<int64_t, int64_t>>{{2, 1}, {2, 2}, {4, 2}, {4, 4}}) {
      config.mutable_parallel()->set_data(data);
      config.mutable_parallel()->set_expert(expert);
      ASSERT_TRUE(complaints(config, data).empty());
      parallel::run_ranks(data, [&](parallel::Group& world) {
        expect_equal(train_ten(config, world, 1), wanted,
                     "data " + std::to_string(data) + " expert " + std::to_string(expert));
      });
    }
  }
}

// Balance over rows and capacity of rows: how rows are grouped into microbatches changes nothing.
TEST(ExpertParallel, MicrobatchesChangeNothing) {
  trainer::Run config = mixture(NumericsSettings::selective);
  Trained wanted = alone(config, 1);
  for (int64_t micro_batch : {2, 8}) {
    expect_equal(alone(config, micro_batch), wanted, "micro batch " + std::to_string(micro_batch));
  }
}

TEST(ExpertParallel, TheBiasEvensTheLoad) {
  trainer::Run config = mixture(NumericsSettings::none);
  ExpertSettings& experts = *config.mutable_model()->mutable_experts();
  experts.set_capacity_factor(0);
  experts.set_balance_loss(0);
  experts.set_balance_bias_rate(0);
  double uneven = alone(config, 8).reports.back().expert_load;
  experts.set_balance_bias_rate(0.03);
  EXPECT_LT(alone(config, 8).reports.back().expert_load, uneven);
}

}  // namespace
}  // namespace sextant::trainer::expert_parallel_test
