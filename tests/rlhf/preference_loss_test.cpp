// Direct preference optimisation: the loss of pairs against another implementation, the whole against plain
// autograd, and training under every layout.
#include "rlhf/preference_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/group_threads.h"
#include "rlhf/dpo_rows.h"
#include "rlhf/preference_moves.h"
#include "rlhf/stage_run.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"
#include "tests/harness/golden.h"
#include "tests/rlhf/axes.h"
#include "tests/rlhf/comparisons.h"
#include "trainer/assembly.h"
#include "trainer/config/rules.h"
#include "trainer/model/initialise.h"

namespace sextant::rlhf::preference_loss_test {
namespace {

at::Tensor stored(const golden::Json& json) {
  return at::tensor(json.get<std::vector<double>>(), at::kDouble);
}

void expect_equal(const at::Tensor& found, const at::Tensor& wanted) {
  // fp64 arithmetic on numbers below 100, a dozen operations deep.
  EXPECT_LT((found - wanted).abs().max().item<double>(), 1e-12 * (1 + wanted.abs().max().item<double>()));
}

TEST(PairLosses, AreTheOthers) {
  golden::Json examples = golden::load("alignment.json")["preferences"];
  EXPECT_EQ(examples.size(), 3u);
  for (const golden::Json& example : examples) {
    DpoSettings settings;
    settings.set_beta(example["beta"]);
    settings.set_label_smoothing(example["smoothing"]);
    if (example["form"] == "ipo") settings.set_loss(DpoSettings::ipo);
    at::Tensor gaps = stored(example["better"]) - stored(example["worse"]);
    PairLosses found = pair_losses(settings, gaps, at::full_like(gaps, example["margin"].get<double>()));
    expect_equal(found.losses, stored(example["losses"]));
    expect_equal(found.slopes, stored(example["slopes"]));
  }
}

DpoRun settings_of(const std::filesystem::path& file) {
  DpoRun run;
  run.mutable_run()->set_steps(6);
  run.mutable_run()->set_global_batch(4);
  run.mutable_run()->set_micro_batch(2);
  trainer::ModelSettings& model = *run.mutable_model();
  model.set_kind(trainer::ModelSettings::llama);
  model.set_layers(2);
  model.set_width(16);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(32);
  model.set_context(96);
  model.set_initial_std(0.2);
  run.mutable_optimizer()->set_learning_rate(1e-2);
  run.mutable_numerics()->set_compute(trainer::NumericsSettings::fp64);
  run.mutable_dpo()->add_train(file);
  run.mutable_dpo()->set_valid_fraction(0.25);
  return run;
}

// A run's model, rows and reference on one rank.
struct Scene {
  trainer::Run run;
  std::unique_ptr<trainer::Assembly> assembly;
  DpoRows rows;
};

Scene scene_of(const DpoRun& settings, trainer::Run run, parallel::Group& world) {
  data::Tokenizer tokenizer = data::byte_tokenizer();
  trainer::fill_defaults(run, 258);  // the tokenizer's 257 and one that tensor ranks can share
  Scene scene{run, std::make_unique<trainer::Assembly>(run, world, at::kCPU), {}};
  trainer::initialise(scene.assembly->step().pieces(), 1);
  scene.assembly->step().refresh_values();
  parallel::Group& data = scene.assembly->mesh().data();
  data::LoaderShape shape = trainer::rows_shape(run, data.rank().value(), data.size()), valid = shape;
  valid.global_batch = shape.micro_batch;
  valid.slice = 0;
  valid.slices = 1;
  scene.rows = open_dpo_rows(settings, tokenizer, shape, valid);
  measure_reference(*scene.assembly, 7, scene.rows.references, world);
  return scene;
}

// The equation as it reads, by autograd through whole logits, answer by answer.
at::Tensor plain_loss(const trainer::Transformer& model, const trainer::Rows& rows,
                      const DpoSettings& settings, double& prompts) {
  at::Tensor hidden = model.forward_stage(0, {}, rows);
  at::Tensor now = at::log_softmax(at::matmul(hidden, model.output_weight().t()), -1)
                       .gather(2, rows.targets.unsqueeze(2))
                       .squeeze(2);  // [B, T]
  at::Tensor total = at::zeros({}, at::kDouble);
  for (int64_t row = 0; row < now.size(0); ++row) {
    struct One {
      at::Tensor moved;
      double prompt, rank;
    };
    std::vector<One> answers;
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (int64_t t = 0; t < now.size(1); ++t) {
      auto column = [&](data::PreferenceColumn which) { return rows.columns[which][row][t].item<double>(); };
      if (rows.loss_mask[row][t].item<double>() > 0) sum = sum + now[row][t];
      if (column(data::kEndColumn) == 0) continue;
      double before = column(data::kReferenceColumn) + column(data::kReferenceRestColumn);
      answers.push_back({sum - before, column(data::kPromptColumn), column(data::kPreferenceColumn)});
      sum = at::zeros({}, at::kDouble);
    }
    for (double prompt = 0; prompt < 10; ++prompt) {
      at::Tensor losses = at::zeros({}, at::kDouble);
      int pairs = 0;
      for (const One& better : answers) {
        for (const One& worse : answers) {
          if (better.prompt != prompt || worse.prompt != prompt || better.rank >= worse.rank) continue;
          losses = losses - at::log_sigmoid(settings.beta() * (better.moved - worse.moved));
          ++pairs;
        }
      }
      if (pairs == 0) continue;
      total = total + losses / pairs;
      ++prompts;
    }
  }
  return total;
}

TEST(PreferenceLoss, HasThePlainLossAndItsGradient) {
  data::ScratchFolder folder;
  DpoRun settings = settings_of(folder.write("a.jsonl", preferences()));
  settings.mutable_dpo()->set_beta(0.7);
  auto world = parallel::single_rank_group();
  Scene scene = scene_of(settings, base_of(settings), *world);
  // Away from the reference, so that pairs differ.
  trainer::Breakdown breakdown;
  for (int64_t step = 0; step < 2; ++step) {
    scene.assembly->step().run(Step(0), scene.rows.train->batch(step), 2, preference_loss(settings.dpo(), 7),
                               breakdown);
  }
  trainer::Transformer model(scene.run.model(), trainer::NumericsSettings::none, {at::kDouble, at::kDouble},
                             at::kCPU);
  auto from = scene.assembly->model().parameters().begin();
  for (const auto& parameter : model.parameters()) {
    at::NoGradGuard no_gradient;
    parameter->value.copy_((*from++)->value);
  }
  data::Batch batch = scene.rows.train->batch(2);
  trainer::Rows rows = trainer::rows_of(batch, 0, batch.rows, at::kCPU, {});
  double prompts = 0;
  at::Tensor expected = plain_loss(model, rows, settings.dpo(), prompts);
  expected.backward();
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : model.parameters()) {
    gradients.push_back(parameter->value.grad().clone());
    parameter->value.mutable_grad() = at::Tensor();
  }
  trainer::LossSum loss = trainer::loss_of(model, rows, preference_loss(settings.dpo(), 7));
  EXPECT_NEAR(loss.sum.item<double>(), expected.item<double>(), 1e-10 * expected.item<double>());
  EXPECT_EQ(loss.count.item<double>(), prompts);
  EXPECT_GE(prompts, 4);
  loss.sum.backward();
  size_t i = 0;
  for (const auto& parameter : model.parameters()) {
    const at::Tensor& wanted = gradients[i++];
    // fp64 on both sides; they differ in the order of sums alone.
    EXPECT_LT((parameter->value.grad() - wanted).abs().max().item<double>(),
              1e-10 * (wanted.abs().max().item<double>() + 1))
        << parameter->name;
  }
}

struct Learned {
  std::vector<double> losses;
  PreferenceMoves before, after;
};

Learned learn(const DpoRun& settings, const Axes& axes) {
  trainer::Run run = base_of(settings);
  axes.apply(*run.mutable_parallel());
  Learned learned;
  parallel::run_ranks(axes.ranks(), [&](parallel::Group& world) {
    Scene scene = scene_of(settings, run, world);
    parallel::Group& data = scene.assembly->mesh().data();
    trainer::HeldOut held_out{scene.rows.valid.get(), 3};
    auto measure = [&] {
      return measure_moves(settings.dpo(), 7, scene.assembly->passes(), held_out, data, world);
    };
    trainer::Breakdown breakdown;
    Learned mine;
    mine.before = measure();
    for (int64_t step = 0; step < 6; ++step) {
      mine.losses.push_back(scene.assembly->step()
                                .run(Step(step), scene.rows.train->batch(step), 2,
                                     preference_loss(settings.dpo(), 7), breakdown)
                                .loss);
    }
    mine.after = measure();
    if (world.rank() == Rank(0)) learned = mine;
  });
  return learned;
}

TEST(PreferenceLoss, LearnsTheSameUnderEveryLayout) {
  data::ScratchFolder folder;
  DpoRun settings = settings_of(folder.write("a.jsonl", preferences()));
  Learned alone = learn(settings, {});
  // Nothing has moved from the reference yet: to the rounding of other rows beside the same answer.
  EXPECT_NEAR(alone.losses.front(), std::log(2.0), 1e-10);
  EXPECT_NEAR(alone.before.chosen_reward, 0, 1e-10);
  EXPECT_NEAR(alone.before.rejected_reward, 0, 1e-10);
  EXPECT_LT(alone.losses.back(), alone.losses.front());
  EXPECT_GT(alone.after.chosen_reward, alone.after.rejected_reward);
  EXPECT_GT(alone.after.report.accuracy, 0.8);
  for (const Axes& layout : kLayoutsOfComparisons) {
    SCOPED_TRACE(layout.text());
    Learned found = learn(settings, layout);
    ASSERT_EQ(found.losses.size(), alone.losses.size());
    // fp64: only the order of sums differs.
    for (size_t i = 0; i < alone.losses.size(); ++i) EXPECT_NEAR(found.losses[i], alone.losses[i], 1e-10);
    EXPECT_EQ(found.after.report.pairs, alone.after.report.pairs);
    EXPECT_EQ(found.after.report.accuracy, alone.after.report.accuracy);
    EXPECT_NEAR(found.after.chosen_reward, alone.after.chosen_reward, 1e-10);
    EXPECT_NEAR(found.after.rejected_reward, alone.after.rejected_reward, 1e-10);
  }
}

}  // namespace
}  // namespace sextant::rlhf::preference_loss_test
