// The losses of an update against plain autograd, over ranks that share the model, and on a task of known
// optimum.
#include "rlhf/ppo_losses.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/base/seed.h"
#include "parallel/group_threads.h"
#include "rlhf/answer_advantages.h"
#include "rlhf/episode_rows.h"
#include "rlhf/model_scores.h"
#include "trainer/generation/generate.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"
#include "trainer/step.h"

namespace sextant::rlhf::ppo_losses_test {
namespace {

constexpr trainer::Precision kDouble{at::kDouble, at::kDouble};

trainer::ModelSettings small_model() {
  trainer::ModelSettings settings;
  settings.set_layers(2);
  settings.set_width(32);
  settings.set_heads(4);
  settings.set_kv_heads(2);
  settings.set_context(24);
  settings.set_initial_std(0.2);
  trainer::fill_model_defaults(settings, 64);
  return settings;
}

std::unique_ptr<trainer::Transformer> model_of(const trainer::ModelSettings& settings,
                                               trainer::Precision precision, parallel::Group* tensor) {
  trainer::ModelPart part;
  part.tensor = tensor;
  auto model = std::make_unique<trainer::Transformer>(settings, trainer::NumericsSettings::none, precision,
                                                      at::kCPU, part);
  trainer::initialise(model->parameters(), 5);
  return model;
}

// Episodes of different lengths with made-up numbers, so that some tokens are clipped.
std::vector<Episode> made_up_episodes() {
  std::vector<Episode> episodes(4);
  RandomKey key(3, "made-up episodes");
  for (size_t i = 0; i < episodes.size(); ++i) {
    Episode& episode = episodes[i];
    for (uint64_t t = 0; t < 3 + i; ++t) episode.add_prompt(static_cast<int32_t>(key.below(64, i, t)));
    for (uint64_t t = 0; t < 9 - 2 * i; ++t) {
      episode.add_response(static_cast<int32_t>(key.below(64, i, 100 + t)));
      episode.add_log_probabilities(-4.2 + 0.6 * key.normal(i, 200 + t));
      episode.add_reference_log_probabilities(-4.2 + 0.6 * key.normal(i, 600 + t));
      episode.add_advantages(key.normal(i, 300 + t));
      episode.add_values(0.3 * key.normal(i, 400 + t));
      episode.add_returns(key.normal(i, 500 + t));
    }
  }
  return episodes;
}

std::vector<const Episode*> pointers(const std::vector<Episode>& episodes) {
  std::vector<const Episode*> all;
  for (const Episode& episode : episodes) all.push_back(&episode);
  return all;
}

// The episodes, and two pretraining rows behind them.
data::Batch mixed_batch() {
  auto episodes = made_up_episodes();
  data::Batch batch = episode_rows(pointers(episodes), 12), more;
  more.rows = 2;
  more.time = 12;
  for (int64_t i = 0; i < 24; ++i) {
    more.tokens.push_back(i * 7 % 64);
    more.targets.push_back((i + 1) * 7 % 64);
    more.loss_mask.push_back(i % 5 == 0 ? 0.0f : 1.0f);
    more.positions.push_back(i % 12);
  }
  append_rows(batch, more, 0.25);
  return batch;
}

// The loss as its equation reads, by autograd through whole logits.
constexpr double kCoefficient = 0.3;  // of the divergence, large enough to be seen

at::Tensor plain_loss(const trainer::Transformer& model, const trainer::Rows& rows,
                      const PpoSettings& settings) {
  at::Tensor hidden = model.forward_stage(0, {}, rows) / settings.temperature();
  at::Tensor logits = at::matmul(hidden, model.output_weight().t());
  at::Tensor now = at::log_softmax(logits, -1).gather(2, rows.targets.unsqueeze(2)).squeeze(2);  // [B, T]
  auto column = [&](Column which) { return rows.columns[which].to(at::kDouble); };
  at::Tensor ratio = (now - column(kBefore)).exp(), advantage = column(kAdvantage);
  at::Tensor losses =
      -at::minimum(ratio * advantage, ratio.clamp(1 - settings.clip(), 1 + settings.clip()) * advantage);
  at::Tensor answers = column(kAnswer);
  if (settings.kl().place() == KlSettings::loss) {
    at::Tensor gone = column(kReference) - now;
    losses = losses + kCoefficient * at::where(answers > 0, gone.exp() - 1 - gone, 0.0);
  }
  at::Tensor sums = losses * answers;  // [B, T]
  if (settings.mean() == PpoSettings::answers) sums = sums / answers.sum(1, true).clamp_min(1);
  if (settings.mean() == PpoSettings::constant) sums = sums / 16.0;
  return (sums - now * column(kPretraining)).sum();
}

void expect_plain_loss_and_gradient(const PpoSettings& settings, double count) {
  data::Batch batch = mixed_batch();
  trainer::Rows rows = trainer::rows_of(batch, 0, batch.rows, at::kCPU, {});
  auto plain = model_of(small_model(), kDouble, nullptr);
  at::Tensor expected = plain_loss(*plain, rows, settings);
  expected.backward();
  for (int64_t ranks : {1, 2, 4}) {
    parallel::run_ranks(ranks, [&](parallel::Group& group) {
      parallel::Group* tensor = ranks > 1 ? &group : nullptr;
      auto model = model_of(small_model(), kDouble, tensor);
      UpdateSums sums;
      trainer::LossSum loss = trainer::loss_of(*model, rows, policy_loss(settings, kCoefficient, 7, sums));
      EXPECT_NEAR(loss.sum.item<double>(), expected.item<double>(),
                  1e-10 * std::abs(expected.item<double>()));
      EXPECT_EQ(loss.count.item<double>(), count);
      EXPECT_EQ(sums.tokens, 24);
      EXPECT_GT(sums.clipped, 0);
      EXPECT_LT(sums.clipped, 24);
      loss.sum.backward();
      auto reference = plain->parameters().begin();
      for (const auto& parameter : model->parameters()) {
        at::Tensor wanted = (*reference++)->value.grad(), whole = at::zeros(parameter->shape, at::kDouble);
        parallel::Slice slice = parameter->slice();
        at::Tensor here = whole;
        for (size_t d = 0; d < slice.shape.size(); ++d)
          here = here.narrow(static_cast<int64_t>(d), slice.offset[d], slice.shape[d]);
        here.copy_(parameter->value.grad());
        if (tensor != nullptr) tensor->all_reduce(whole);
        double scale = wanted.abs().max().item<double>() + 1;
        // fp64 on both sides; they differ in the order of sums alone.
        EXPECT_LT((whole - wanted).abs().max().item<double>(), 1e-10 * scale)
            << parameter->name << " " << ranks;
      }
    });
  }
}

TEST(PolicyLossOfRows, HasThePlainLossAndItsGradient) {
  PpoSettings settings;
  settings.set_temperature(0.8);
  expect_plain_loss_and_gradient(settings, 9 + 7 + 5 + 3);
}

TEST(PolicyLossOfRows, HasTheDivergenceAndTheMeanThatIsAskedFor) {
  PpoSettings settings;
  settings.set_response_tokens(16);
  settings.mutable_kl()->set_place(KlSettings::loss);
  settings.mutable_kl()->set_estimator(KlSettings::k3);
  settings.set_mean(PpoSettings::answers);
  expect_plain_loss_and_gradient(settings, 4);
  settings.set_mean(PpoSettings::constant);
  expect_plain_loss_and_gradient(settings, 4);
}

TEST(ModelScores, AreWhatSamplingSaw) {
  auto model = model_of(small_model(), kDouble, nullptr);
  trainer::GenerationSettings generation;
  generation.tokens = 9;
  generation.stop_tokens = {5};
  std::vector<std::vector<int32_t>> prompts{{1, 2, 3}, {9}, {7, 7, 60, 61, 2}};
  auto completions = trainer::generate(*model, prompts, generation);
  std::vector<Episode> episodes(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    episodes[i].mutable_prompt()->Assign(prompts[i].begin(), prompts[i].end());
    episodes[i].mutable_response()->Assign(completions[i].ids.begin(), completions[i].ids.end());
  }
  parallel::run_ranks(2, [&](parallel::Group& group) {
    auto shared = model_of(small_model(), kDouble, &group);
    for (const trainer::Transformer* each : {model.get(), shared.get()}) {
      // Rows in another order of microbatches and padded to other lengths.
      trainer::Passes passes(*each);
      auto scores = answer_log_probabilities(passes, pointers(episodes), {2, 4, 1.0});
      for (size_t i = 0; i < scores.size(); ++i) {
        ASSERT_EQ(scores[i].size(), completions[i].ids.size());
        for (size_t t = 0; t < scores[i].size(); ++t)
          EXPECT_NEAR(scores[i][t], completions[i].log_probabilities[t], 1e-10);
      }
      if (each == model.get()) group.barrier();
    }
  });
}

// A bandit: after any prompt one token is worth 1 and all others nothing. The optimum is to say it always.
double share_of_the_prize(const PpoSettings& settings) {
  constexpr int32_t kPrize = 11;
  auto model = model_of(small_model(), {at::kFloat, at::kFloat}, nullptr);
  auto world = parallel::single_rank_group();
  trainer::Passes passes(*model);
  trainer::StepSettings step_settings;
  step_settings.optimizer.set_learning_rate(3e-3);
  step_settings.optimizer.set_weight_decay(0);
  step_settings.optimizer.set_warmup_steps(0);
  step_settings.optimizer.set_schedule(trainer::OptimizerSettings::constant);
  trainer::TrainStep step(passes, step_settings, *world);
  trainer::Breakdown breakdown;
  double share = 0;
  for (uint64_t round = 0; round < 60; ++round) {
    trainer::GenerationSettings generation;
    generation.tokens = 1;
    generation.seed = round;
    std::vector<std::vector<int32_t>> prompts(128, {1, 2});
    for (size_t i = 0; i < prompts.size(); ++i) prompts[i][0] = static_cast<int32_t>(i / 16);
    auto completions = trainer::generate(passes, prompts, generation);
    std::vector<Episode> episodes(prompts.size());
    share = 0;
    for (size_t i = 0; i < episodes.size(); ++i) {
      episodes[i].mutable_prompt()->Assign(prompts[i].begin(), prompts[i].end());
      episodes[i].add_response(completions[i].ids[0]);
      episodes[i].add_log_probabilities(completions[i].log_probabilities[0]);
      episodes[i].add_reference_log_probabilities(completions[i].log_probabilities[0]);
      episodes[i].add_values(0);
      episodes[i].set_score(completions[i].ids[0] == kPrize ? 1 : 0);
      share += episodes[i].score() / static_cast<double>(episodes.size());
    }
    if (share == 0) continue;
    add_advantages(settings, 0, episodes);
    for (int inner = 0; inner < 2; ++inner) {
      UpdateSums sums;
      step.run(Step(0), episode_rows(pointers(episodes), 3), 64, policy_loss(settings, 0, 256, sums),
               breakdown);
      // Sampling's log-probabilities are those of training to fp32's rounding: the first ratio is 1.
      if (inner == 0) {
        EXPECT_LT(sums.furthest, 1e-5);
      }
    }
  }
  return share;
}

TEST(PolicyLossOfRows, FindsABanditsOptimumByEveryAdvantage) {
  for (auto advantages :
       {PpoSettings::generalised, PpoSettings::group, PpoSettings::group_mean, PpoSettings::leave_one_out}) {
    PpoSettings settings;
    settings.set_advantages(advantages);
    settings.set_answers_per_prompt(16);
    EXPECT_GT(share_of_the_prize(settings), 0.95) << PpoSettings::Advantages_Name(advantages);
  }
}

TEST(ValueLossOfRows, LearnsReturns) {
  trainer::ModelSettings settings = small_model();
  settings.set_head(trainer::ModelSettings::scalar);
  auto model = model_of(settings, {at::kFloat, at::kFloat}, nullptr);
  auto world = parallel::single_rank_group();
  trainer::Passes passes(*model);
  trainer::StepSettings step_settings;
  step_settings.optimizer.set_learning_rate(3e-3);
  step_settings.optimizer.set_weight_decay(0);
  step_settings.optimizer.set_warmup_steps(0);
  trainer::TrainStep step(passes, step_settings, *world);
  trainer::Breakdown breakdown;
  PpoSettings ppo;
  ppo.set_value_clip(0);
  auto episodes = made_up_episodes();
  data::Batch batch = episode_rows(pointers(episodes), 12);
  double first = step.run(Step(0), batch, 3, value_loss(ppo), breakdown).loss, last = first;
  for (int i = 0; i < 80; ++i) last = step.run(Step(0), batch, 3, value_loss(ppo), breakdown).loss;
  EXPECT_LT(last, 0.05 * first);
  auto values = answer_values(passes, pointers(episodes), {2, 4, 1.0});
  EXPECT_NEAR(values[1][2], episodes[1].returns(2), 0.3);
}

}  // namespace
}  // namespace sextant::rlhf::ppo_losses_test
