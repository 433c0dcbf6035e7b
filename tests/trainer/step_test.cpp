// Ten optimisation steps against another implementation, and every split of a batch against one rank.
#include "trainer/step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"
#include "tests/harness/golden_model.h"
#include "trainer/kernels/linear_cross_entropy.h"
#include "trainer/optimizer/learning_rate.h"

namespace sextant::trainer::step_test {
namespace {

// Tiny models on fixed batches, as a golden training file describes them.
struct Scene {
  golden::Json file;
  OptimizerSettings settings;
  int64_t steps;

  explicit Scene(const std::string& name) : file(golden::load(name)) {
    const auto& described = file["optimizer"];
    settings.set_learning_rate(described.at("learning_rate"));
    settings.set_weight_decay(described.at("weight_decay"));
    settings.set_beta1(described.at("beta1"));
    settings.set_beta2(described.at("beta2"));
    settings.set_epsilon(described.at("epsilon"));
    settings.set_warmup_steps(described.at("warmup_steps"));
    settings.set_final_fraction(described.at("final_fraction"));
    settings.set_grad_clip(described.at("grad_clip"));
    steps = described.at("steps");
  }

  std::unique_ptr<Transformer> model(Precision precision, NumericsSettings::Recompute recompute) const {
    auto made =
        std::make_unique<Transformer>(golden::model_settings(file["model"]), recompute, precision, at::kCPU);
    golden::set_weights(*made, file["parameters"]);
    return made;
  }

  // Rows of a step that slice i of n trains on.
  data::Batch batch(int64_t step, int64_t i, int64_t n) const {
    const auto& described = file["steps"][static_cast<size_t>(step)];
    data::Batch all;
    all.rows = file["batch_shape"][0];
    all.time = file["batch_shape"][1];
    all.tokens = golden::integers(described["tokens"]);
    all.targets = golden::integers(described["targets"]);
    all.loss_mask.assign(all.tokens.size(), 1.0f);
    for (size_t j = 0; j < all.tokens.size(); ++j) {
      all.positions.push_back(static_cast<int64_t>(j) % all.time);
    }
    return all.slice(all.rows / n * i, all.rows / n);
  }
};

struct Trained {
  struct Owned {
    int64_t begin, end;
    at::Tensor master;
  };
  std::vector<StepReport> reports;
  std::vector<at::Tensor> values;  // whole
  std::vector<Owned> owned;        // by parameter: this rank's part of the masters

  // Where nothing is shared out.
  const at::Tensor& master(size_t i) const { return owned[i].master; }
};

// How gradients are summed and shared out.
struct Sums {
  int64_t zero_stage = 0;
  NumericsSettings::Reduction reduction = NumericsSettings::fast;
};

StepSettings step_settings(const Scene& scene, Sums sums = {}) {
  StepSettings settings;
  settings.optimizer = scene.settings;
  settings.run_steps = scene.steps;
  settings.reduction = sums.reduction;
  settings.sharding = {sums.zero_stage, 4096};
  return settings;
}

Trained train_ten(const Scene& scene, parallel::Group& group, Precision precision,
                  NumericsSettings::Recompute recompute, int64_t micro_batch, Sums sums = {}) {
  auto model = scene.model(precision, recompute);
  Passes passes(*model);
  TrainStep step(passes, step_settings(scene, sums), group);
  Breakdown breakdown;
  Trained trained;
  for (int64_t s = 0; s < scene.steps; ++s) {
    data::Batch batch = scene.batch(s, group.rank().value(), group.size());
    trained.reports.push_back(step.run(Step(s), batch, micro_batch, next_token_loss(7), breakdown));
  }
  parallel::UnitUse* use = model->parameters().unit_use();
  for (const auto& parameter : model->parameters()) {
    if (use != nullptr) use->need(parameter->unit, parallel::UnitUse::kNone);
    trained.values.push_back(parameter->value.detach().clone());
    if (use != nullptr) use->done(parameter->unit);
  }
  for (const OwnedPiece& piece : step.pieces())
    trained.owned.push_back({piece.begin, piece.end, master_of(piece).clone()});
  return trained;
}

constexpr Precision kDouble{at::kDouble, at::kDouble};

class GoldenTraining : public testing::TestWithParam<const char*> {};

TEST_P(GoldenTraining, TenStepsAgree) {
  Scene scene(GetParam());
  auto alone = parallel::single_rank_group();
  Trained trained = train_ten(scene, *alone, kDouble, NumericsSettings::none, 4);
  for (int64_t s = 0; s < scene.steps; ++s) {
    const auto& expected = scene.file["steps"][static_cast<size_t>(s)];
    const StepReport& report = trained.reports[static_cast<size_t>(s)];
    EXPECT_NEAR(report.loss, expected.at("loss").get<double>(), 1e-9) << "step " << s;
    EXPECT_NEAR(report.grad_norm, expected.at("grad_norm").get<double>(), 1e-8) << "step " << s;
    EXPECT_NEAR(report.learning_rate, expected.at("learning_rate").get<double>(), 1e-15) << "step " << s;
  }
  auto model = scene.model(kDouble, NumericsSettings::none);
  size_t i = 0;
  for (const auto& parameter : model->parameters()) {
    auto summary = golden::summary(scene.file["final"][parameter->name]);
    const at::Tensor& master = trained.master(i++);
    EXPECT_NEAR(master.norm().item<double>(), summary.l2, 1e-8 * std::max(1.0, summary.l2))
        << parameter->name;
    at::Tensor flat = master.reshape({-1});
    for (size_t j = 0; j < summary.first.size(); ++j) {
      EXPECT_NEAR(flat[static_cast<int64_t>(j)].item<double>(), summary.first[j], 1e-8) << parameter->name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTraining,
                         testing::Values("training_llama.json", "training_llama3.json",
                                         "training_mistral.json", "training_qwen2.json",
                                         "training_qwen3.json", "training_gpt2.json"),
                         [](const auto& named) {
                           std::string name = named.param;
                           return name.substr(0, name.find('.'));
                         });

// Largest difference of two trained models' weights, relative to the largest weight.
double weight_difference(const Trained& a, const Trained& b) {
  double worst = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    double scale = b.values[i].abs().max().item<double>();
    worst = std::max(worst, (a.values[i] - b.values[i]).abs().max().item<double>() / scale);
  }
  return worst;
}

TEST(StepSplits, MicrobatchesRanksAndRecomputeChangeNothing) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  Trained reference = train_ten(scene, *alone, kDouble, NumericsSettings::none, 4);
  for (int64_t micro_batch : {1, 2, 3}) {
    Trained split = train_ten(scene, *alone, kDouble, NumericsSettings::none, micro_batch);
    EXPECT_LT(weight_difference(split, reference), 1e-10) << "micro batch " << micro_batch;
  }
  for (auto recompute : {NumericsSettings::selective, NumericsSettings::full}) {
    Trained again = train_ten(scene, *alone, kDouble, recompute, 2);
    EXPECT_LT(weight_difference(again, reference), 1e-10) << NumericsSettings::Recompute_Name(recompute);
  }
  for (int64_t ranks : {2, 4}) {
    for (auto recompute : {NumericsSettings::none, NumericsSettings::full}) {
      parallel::run_ranks(ranks, [&](parallel::Group& world) {
        Trained split = train_ten(scene, world, kDouble, recompute, 1);
        EXPECT_LT(weight_difference(split, reference), 1e-10) << ranks << " ranks";
        for (size_t s = 0; s < split.reports.size(); ++s) {
          EXPECT_NEAR(split.reports[s].loss, reference.reports[s].loss, 1e-10);
          EXPECT_NEAR(split.reports[s].grad_norm, reference.reports[s].grad_norm, 1e-9);
        }
      });
    }
  }
}

TEST(StepSplits, ShardingChangesNothing) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  Trained reference = train_ten(scene, *alone, kDouble, NumericsSettings::none, 4);
  for (int64_t ranks : {1, 2, 4}) {
    for (int64_t stage : {1, 2, 3}) {
      for (auto reduction : {NumericsSettings::fast, NumericsSettings::reproducible}) {
        parallel::run_ranks(ranks, [&](parallel::Group& world) {
          Trained split = train_ten(scene, world, kDouble, NumericsSettings::none, 1, {stage, reduction});
          // Reproducible sums round at 2^-44 of the largest gradient.
          EXPECT_LT(weight_difference(split, reference), reduction == NumericsSettings::fast ? 1e-10 : 1e-9)
              << ranks << " ranks, stage " << stage;
          for (size_t s = 0; s < split.reports.size(); ++s) {
            EXPECT_NEAR(split.reports[s].loss, reference.reports[s].loss, 1e-10);
            EXPECT_NEAR(split.reports[s].grad_norm, reference.reports[s].grad_norm, 1e-9);
          }
        });
      }
    }
  }
}

// Values that are here only while their unit computes, against values that are always here: under every
// recompute setting, with tied embeddings, in several microbatches. The same sums; only the squares of the
// norm are added in other groups. A softmax does not see gpt2's key biases: their gradient is that rounding
// alone, which Adam makes large.
TEST(StepSplits, ValuesThatComeAndGoChangeNothing) {
  for (auto [file, tolerance] : {std::pair{"training_llama.json", 1e-12},
                                 {"training_gpt2.json", 1e-9},
                                 {"training_qwen3.json", 1e-12}}) {
    Scene scene(file);
    for (auto recompute : {NumericsSettings::none, NumericsSettings::selective, NumericsSettings::full}) {
      parallel::run_ranks(2, [&](parallel::Group& world) {
        Trained always = train_ten(scene, world, kDouble, recompute, 1, {2, NumericsSettings::fast});
        Trained split = train_ten(scene, world, kDouble, recompute, 1, {3, NumericsSettings::fast});
        EXPECT_LT(weight_difference(split, always), tolerance)
            << file << " recompute " << NumericsSettings::Recompute_Name(recompute);
      });
    }
  }
}

// Bytes of distinct memory.
int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  std::map<const void*, int64_t> storages;
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    storages[tensor.storage().unsafeGetStorageImpl()] = static_cast<int64_t>(tensor.storage().nbytes());
  }
  int64_t bytes = 0;
  for (auto [storage, size] : storages) bytes += size;
  return bytes;
}

// Weights, gradients and optimizer of a rank after a step.
int64_t state_bytes(const Scene& scene, parallel::Group& world, Precision precision, int64_t stage) {
  auto model = scene.model(precision, NumericsSettings::none);
  Passes passes(*model);
  TrainStep step(passes, step_settings(scene, {stage, NumericsSettings::fast}), world);
  Breakdown breakdown;
  step.run(Step(0), scene.batch(0, world.rank().value(), world.size()), 1, next_token_loss(7), breakdown);
  std::vector<at::Tensor> tensors;
  for (const OwnedPiece& piece : step.pieces()) {
    tensors.insert(tensors.end(), {piece.master, piece.grad, piece.value});
    for (const at::Tensor& part : piece.split.tensors()) tensors.push_back(part);
  }
  for (const StateTensor& tensor : step.optimizer().state()) tensors.push_back(tensor.tensor);
  for (const auto& parameter : model->parameters()) {
    tensors.insert(tensors.end(), {parameter->master, parameter->value});
  }
  return bytes_of(tensors);
}

TEST(StepMemory, StageThreeHoldsAShareOfEverything) {
  Scene scene("training_llama.json");
  for (Precision precision : {Precision{at::kFloat, at::kFloat}, Precision{at::kFloat, at::kBFloat16}}) {
    parallel::run_ranks(4, [&](parallel::Group& world) {
      auto whole = static_cast<double>(state_bytes(scene, world, precision, 0));
      auto share = static_cast<double>(state_bytes(scene, world, precision, 3));
      // A quarter, and what pads the tiny model's buckets.
      EXPECT_LT(share, 0.35 * whole);
    });
  }
}

TEST(StepMemory, MastersOfBf16ValuesTakeTwoBytesAndABitMore) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  int64_t fp32 = state_bytes(scene, *alone, {at::kFloat, at::kFloat}, 0);
  EXPECT_NEAR(state_bytes(scene, *alone, {at::kFloat, at::kBFloat16}, 0), fp32 * 16.125 / 16, fp32 * 1e-3);
}

// The promise of numerics.reduction=reproducible: not close, equal.
TEST(StepReproducible, RanksShardingAndAccumulationGiveTheSameBits) {
  Scene scene("training_llama.json");
  for (Precision precision : {Precision{at::kFloat, at::kFloat}, Precision{at::kFloat, at::kBFloat16}}) {
    auto alone = parallel::single_rank_group();
    Sums sums{0, NumericsSettings::reproducible};
    Trained reference = train_ten(scene, *alone, precision, NumericsSettings::none, 1, sums);
    for (int64_t ranks : {1, 2, 4}) {
      for (int64_t stage : {0, 1, 2, 3}) {
        parallel::run_ranks(ranks, [&](parallel::Group& world) {
          Trained split =
              train_ten(scene, world, precision, NumericsSettings::none, 1, {stage, sums.reduction});
          for (size_t i = 0; i < split.owned.size(); ++i) {
            auto [begin, end, master] = split.owned[i];
            EXPECT_TRUE(at::equal(split.values[i], reference.values[i]) &&
                        at::equal(master, reference.master(i).narrow(0, begin, end - begin)))
                << ranks << " ranks, stage " << stage << ", parameter " << i;
          }
          for (size_t s = 0; s < split.reports.size(); ++s) {
            EXPECT_EQ(split.reports[s].loss, reference.reports[s].loss) << "step " << s;
            EXPECT_EQ(split.reports[s].grad_norm, reference.reports[s].grad_norm) << "step " << s;
          }
        });
      }
    }
  }
}

// Else the test above would prove nothing.
TEST(StepReproducible, FastSumsDoDependOnTheRanks) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  Precision fp32{at::kFloat, at::kFloat};
  Trained reference = train_ten(scene, *alone, fp32, NumericsSettings::none, 1);
  parallel::run_ranks(4, [&](parallel::Group& world) {
    Trained split = train_ten(scene, world, fp32, NumericsSettings::none, 1);
    EXPECT_GT(weight_difference(split, reference), 0.0);
  });
}

// Gradients that suddenly grow a thousandfold: the step is done again, on all ranks alike.
TEST(StepReproducible, AGrowingGradientIsSummedWithALargerQuantum) {
  Scene scene("training_llama.json");
  int forwards = 0;
  auto train = [&](parallel::Group& world) {
    auto model = scene.model({at::kFloat, at::kFloat}, NumericsSettings::none);
    Passes passes(*model);
    TrainStep step(passes, step_settings(scene, {0, NumericsSettings::reproducible}), world);
    Breakdown breakdown;
    Trained trained;
    for (int64_t s = 0; s < 4; ++s) {
      double factor = s < 2 ? 1 : 1000;
      auto scaled = [&](const Transformer& of, const at::Tensor& hidden, const Rows& rows) {
        if (world.size() == 1) ++forwards;
        Rows heavier = rows;
        heavier.loss_mask = rows.loss_mask * factor;
        return next_token_loss(7)(of, hidden, heavier);
      };
      trained.reports.push_back(
          step.run(Step(s), scene.batch(s, world.rank().value(), world.size()), 1, scaled, breakdown));
    }
    for (const auto& parameter : model->parameters())
      trained.values.push_back(parameter->value.detach().clone());
    return trained;
  };
  auto alone = parallel::single_rank_group();
  Trained reference = train(*alone);
  EXPECT_EQ(forwards, 4 * 6) << "the first step and the third one are done twice";
  parallel::run_ranks(2, [&](parallel::Group& world) {
    Trained split = train(world);
    for (size_t i = 0; i < split.values.size(); ++i)
      EXPECT_TRUE(at::equal(split.values[i], reference.values[i])) << i;
  });
}

TEST(StepPrecision, Bf16FollowsFp32) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  Trained fp32 = train_ten(scene, *alone, {at::kFloat, at::kFloat}, NumericsSettings::none, 2);
  Trained bf16 = train_ten(scene, *alone, {at::kFloat, at::kBFloat16}, NumericsSettings::none, 2);
  Trained fp64 = train_ten(scene, *alone, kDouble, NumericsSettings::none, 2);
  for (size_t s = 0; s < fp32.reports.size(); ++s) {
    EXPECT_NEAR(fp32.reports[s].loss, fp64.reports[s].loss, 1e-4 * fp64.reports[s].loss) << "step " << s;
    EXPECT_NEAR(bf16.reports[s].loss, fp32.reports[s].loss, 2e-2 * fp32.reports[s].loss) << "step " << s;
  }
}

TEST(StepGuard, ANonFiniteGradientLeavesWeightsAlone) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  auto model = scene.model(kDouble, NumericsSettings::none);
  Passes passes(*model);
  TrainStep step(passes, step_settings(scene), *alone);
  Breakdown breakdown;
  auto poisoned = [](const Transformer& of, const at::Tensor& given, const Rows& rows) {
    at::Tensor hidden = given * NAN;
    at::Tensor sum = linear_cross_entropy(hidden.reshape({-1, hidden.size(-1)}), of.output_weight(),
                                          rows.targets.reshape({-1}), rows.loss_mask.reshape({-1}), 7);
    return LossSum{sum, rows.loss_mask.sum(at::kDouble)};
  };
  at::Tensor before = (*model->parameters().begin())->master.clone();
  StepReport report = step.run(Step(0), scene.batch(0, 0, 1), 4, poisoned, breakdown);
  EXPECT_FALSE(report.finite);
  EXPECT_TRUE(at::equal((*model->parameters().begin())->master, before));
  EXPECT_EQ(step.optimizer().updates(), 0);
  // The next step starts from clean sums.
  report = step.run(Step(0), scene.batch(0, 0, 1), 4, next_token_loss(7), breakdown);
  EXPECT_TRUE(report.finite);
  EXPECT_NEAR(report.loss, scene.file["steps"][0].at("loss").get<double>(), 1e-9);
}

TEST(StepMask, ABatchWithoutTargetsIsRefused) {
  Scene scene("training_llama.json");
  auto alone = parallel::single_rank_group();
  auto model = scene.model(kDouble, NumericsSettings::none);
  Passes passes(*model);
  TrainStep step(passes, step_settings(scene), *alone);
  Breakdown breakdown;
  data::Batch batch = scene.batch(0, 0, 1);
  std::fill(batch.loss_mask.begin(), batch.loss_mask.end(), 0.0f);
  EXPECT_THROW(step.run(Step(0), batch, 4, next_token_loss(7), breakdown), Error);
}

}  // namespace
}  // namespace sextant::trainer::step_test
