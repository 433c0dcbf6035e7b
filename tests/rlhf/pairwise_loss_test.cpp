// The reward model's loss against its closed form, its report against hand-worked numbers, and both under
// every layout.
#include "rlhf/pairwise_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/group_threads.h"
#include "rlhf/reward_report.h"
#include "rlhf/reward_rows.h"
#include "rlhf/score_bias.h"
#include "rlhf/stage_run.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"
#include "tests/rlhf/axes.h"
#include "tests/rlhf/comparisons.h"
#include "trainer/assembly.h"
#include "trainer/config/rules.h"
#include "trainer/evaluation.h"
#include "trainer/model/initialise.h"

namespace sextant::rlhf::pairwise_loss_test {
namespace {

// Rows of a batch with answers at the given places.
struct Placed {
  int64_t row, time;
  float group, rank, margin;
};

trainer::Rows rows_with(int64_t rows, int64_t time, const std::vector<Placed>& answers) {
  trainer::Rows all;
  all.tokens = at::zeros({rows, time}, at::kLong);
  all.loss_mask = at::zeros({rows, time});
  for (size_t i = 0; i < 3; ++i) all.columns.push_back(at::zeros({rows, time}));
  for (const Placed& one : answers) {
    all.loss_mask[one.row][one.time] = 1;
    const float values[] = {one.group, one.rank, one.margin};
    for (size_t i = 0; i < 3; ++i) all.columns[i][one.row][one.time] = values[i];
  }
  return all;
}

double cost(double gap) {
  return std::log1p(std::exp(-gap));
}

TEST(PairwiseLoss, IsTheMeanOverAPromptsPairs) {
  // A prompt of four answers of which two are tied, a pair with a margin in the same row, and a prompt alone.
  std::vector<Placed> answers{{0, 1, 0, 1, 0}, {0, 3, 0, 2, 0}, {0, 4, 0, 2, 0},
                              {0, 6, 0, 5, 0}, {0, 8, 1, 0, 1}, {0, 9, 1, 1, 1},
                              {1, 0, 0, 0, 0}, {1, 9, 1, 2, 0}, {1, 5, 1, 1, 0}};
  trainer::Rows rows = rows_with(2, 10, answers);
  at::Tensor values = at::randn({2, 10}, at::kDouble);
  auto score = [&](size_t i) { return values[answers[i].row][answers[i].time].item<double>(); };
  Pairs pairs = pairs_of(values, rows);
  EXPECT_EQ(pairs.scores.numel(), 9);
  EXPECT_EQ(pairs.gaps.numel(), 5 + 1 + 1);
  EXPECT_EQ(pairs.prompts.item<double>(), 3) << "an answer alone has nothing to be compared with";
  double want = (cost(score(0) - score(1)) + cost(score(0) - score(2)) + cost(score(0) - score(3)) +
                 cost(score(1) - score(3)) + cost(score(2) - score(3))) /
                    5 +
                cost(score(4) - score(5) - 1) + cost(score(8) - score(7));
  at::Tensor losses = at::log_sigmoid(pairs.gaps - pairs.margins).neg();
  EXPECT_NEAR((losses * pairs.shares).sum().item<double>(), want, 1e-6);  // margins are fp32
}

TEST(PairwiseLoss, RowsWithoutAnswersAddNothing) {
  Pairs pairs = pairs_of(at::ones({1, 4}, at::kDouble), rows_with(1, 4, {}));
  EXPECT_EQ(pairs.gaps.numel(), 0);
  EXPECT_EQ(pairs.prompts.item<double>(), 0);
}

TEST(PreferenceSums, AreWorkedByHand) {
  PreferenceSums sums;
  // sigmoid(2) = 0.880797, sigmoid(0.1) = 0.524979; -0.1 is a wrong one of the same bin, 0 a guess.
  for (double gap : {2.0, 0.1, -0.1, 0.0}) sums.add(gap);
  PreferenceReport report = sums.report();
  EXPECT_EQ(report.pairs, 4);
  EXPECT_EQ(report.accuracy, 2.5 / 4);
  // Bin of 0.5 to 0.55: confidences 0.524979 twice and 0.5, right 1.5 of 3; bin of 0.85 to 0.9: 1 of 1.
  EXPECT_NEAR(report.calibration_error, (std::abs(2 * 0.524979 + 0.5 - 1.5) + (1 - 0.880797)) / 4, 1e-6);
  EXPECT_NEAR(report.brier, (0.119203 * 0.119203 + 0.475021 * 0.475021 + 0.524979 * 0.524979 + 0.25) / 4,
              1e-6);
}

RewardRun settings_of(const std::filesystem::path& file) {
  RewardRun run;
  run.mutable_run()->set_steps(6);
  run.mutable_run()->set_global_batch(4);
  run.mutable_run()->set_micro_batch(2);
  trainer::ModelSettings& model = *run.mutable_model();
  model.set_kind(trainer::ModelSettings::llama);
  model.set_head(trainer::ModelSettings::scalar);
  model.set_layers(2);
  model.set_width(16);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(32);
  model.set_context(96);
  run.mutable_optimizer()->set_learning_rate(1e-2);
  run.mutable_numerics()->set_compute(trainer::NumericsSettings::fp64);
  run.mutable_reward()->add_train(file);
  run.mutable_reward()->set_valid_fraction(0.25);
  return run;
}

struct Learned {
  std::vector<double> losses;
  PreferenceReport report;
  double mean_before = 0, mean_after = 0;
};

Learned learn(const RewardRun& settings, const Axes& axes) {
  data::Tokenizer tokenizer = data::byte_tokenizer();
  trainer::Run run = base_of(settings);
  axes.apply(*run.mutable_parallel());
  trainer::fill_defaults(run, 258);  // the tokenizer's 257 and one that tensor ranks can share
  Learned learned;
  parallel::run_ranks(axes.ranks(), [&](parallel::Group& world) {
    trainer::Assembly assembly(run, world, at::kCPU);
    trainer::initialise(assembly.step().pieces(), 1);
    assembly.step().refresh_values();
    parallel::Group& data = assembly.mesh().data();
    data::LoaderShape shape = trainer::rows_shape(run, data.rank().value(), data.size()), valid = shape;
    valid.global_batch = shape.micro_batch;
    valid.slice = 0;
    valid.slices = 1;
    RewardRows rows = open_reward_rows(settings, tokenizer, shape, valid);
    trainer::Breakdown breakdown;
    Learned mine;
    for (int64_t step = 0; step < 6; ++step) {
      mine.losses.push_back(
          assembly.step().run(Step(step), rows.train->batch(step), 2, pairwise_loss(), breakdown).loss);
    }
    trainer::HeldOut held_out{rows.valid.get(), 3};
    mine.report = measure_preferences(assembly.passes(), held_out, data, world);
    mine.mean_before = centre_scores(assembly, *rows.demonstrations, world);
    mine.mean_after = trainer::held_out_loss(assembly.passes(), *rows.demonstrations,
                                             rows.demonstrations->rows_per_epoch(), score_sum(), data, world);
    if (world.rank() == Rank(0)) learned = mine;
  });
  return learned;
}

TEST(RewardModel, LearnsTheSameUnderEveryLayout) {
  data::ScratchFolder folder;
  RewardRun settings = settings_of(folder.write("a.jsonl", preferences()));
  Learned alone = learn(settings, {});
  EXPECT_LT(alone.losses.back(), alone.losses.front());
  EXPECT_GT(alone.report.pairs, 0);
  EXPECT_NEAR(alone.mean_after, 0, 1e-12);
  EXPECT_NE(alone.mean_before, 0);
  for (const Axes& layout : kLayoutsOfComparisons) {
    SCOPED_TRACE(layout.text());
    Learned found = learn(settings, layout);
    ASSERT_EQ(found.losses.size(), alone.losses.size());
    // fp64: only the order of sums differs.
    for (size_t i = 0; i < alone.losses.size(); ++i) EXPECT_NEAR(found.losses[i], alone.losses[i], 1e-10);
    EXPECT_EQ(found.report.pairs, alone.report.pairs);
    EXPECT_EQ(found.report.accuracy, alone.report.accuracy);
    EXPECT_NEAR(found.report.brier, alone.report.brier, 1e-10);
    EXPECT_NEAR(found.mean_before, alone.mean_before, 1e-10);
    EXPECT_NEAR(found.mean_after, 0, 1e-12);
  }
}

}  // namespace
}  // namespace sextant::rlhf::pairwise_loss_test
