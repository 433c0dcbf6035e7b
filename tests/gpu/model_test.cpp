#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group.h"
#include "tests/harness/golden_model.h"
#include "trainer/generation/generate.h"
#include "trainer/loss.h"
#include "trainer/step.h"

// Our models on the GPU against golden values, and a training step against the CPU's.
namespace sextant::trainer {
namespace {

// fp32 sums on a GPU come in another order; TF32 is off unless a user turns it on.
constexpr double kFp32 = 1e-4;
// bfloat16 keeps 8 bits, and a loss of two layers rounds a few dozen times.
constexpr double kBf16 = 2e-2;

struct OnDevice {
  golden::Json file;
  std::unique_ptr<Transformer> model;
  Rows rows;
};

OnDevice load(const std::string& name, Precision precision, at::Device device) {
  OnDevice loaded{golden::load(name), nullptr, {}};
  loaded.model = std::make_unique<Transformer>(golden::model_settings(loaded.file["model"]),
                                               NumericsSettings::none, precision, device);
  golden::set_weights(*loaded.model, loaded.file["parameters"]);
  auto batch = golden::batch(loaded.file["batch"]);
  loaded.rows = rows_of(batch, 0, batch.rows, device, {});
  return loaded;
}

class GpuModel : public testing::TestWithParam<const char*> {};

TEST_P(GpuModel, LossAndGradientsAgreeWithGoldenValues) {
  for (auto [precision, tolerance] : {std::pair{Precision{at::kFloat, at::kFloat}, kFp32},
                                      std::pair{Precision{at::kFloat, at::kBFloat16}, kBf16}}) {
    OnDevice on = load(GetParam(), precision, at::Device(at::kCUDA, 0));
    LossSum loss = loss_of(*on.model, on.rows, next_token_loss(8));
    double expected = on.file["loss_sum"];
    EXPECT_NEAR(loss.sum.item<double>(), expected, tolerance * expected);
    (loss.sum / loss.count).backward();
    double scale = on.file["gradient_norm"];
    for (const auto& parameter : on.model->parameters()) {
      auto stored = golden::summary(on.file["gradients"][parameter->name]);
      double norm = parameter->value.grad().to(at::kDouble).norm().item<double>();
      EXPECT_NEAR(norm, stored.l2, tolerance * scale) << parameter->name;
    }
  }
}

TEST_P(GpuModel, GreedyTokensAreTheGoldenOnes) {
  OnDevice on = load(GetParam(), {at::kFloat, at::kFloat}, at::Device(at::kCUDA, 0));
  GenerationSettings settings;
  settings.sampling.temperature = 0;
  settings.tokens = 8;
  auto prompt = on.file["greedy"]["prompt"].get<std::vector<int32_t>>();
  EXPECT_EQ(generate(*on.model, {prompt}, settings)[0].ids,
            on.file["greedy"]["next"].get<std::vector<int32_t>>());
}

INSTANTIATE_TEST_SUITE_P(Files, GpuModel,
                         testing::Values("llama.json", "llama_tied.json", "llama_qk_norm.json",
                                         "llama_documents.json", "gpt2.json"),
                         [](const auto& named) {
                           std::string name = named.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(GpuStep, FollowsTheCpu) {
  StepSettings settings;
  settings.optimizer.set_learning_rate(1e-2);
  settings.optimizer.set_warmup_steps(1);
  settings.run_steps = 10;
  std::vector<double> losses[2];
  for (int which : {0, 1}) {
    at::Device device = which == 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
    OnDevice on = load("llama.json", {at::kFloat, at::kFloat}, device);
    auto alone = parallel::single_rank_group();
    Passes passes(*on.model);
    TrainStep step(passes, settings, *alone);
    Breakdown breakdown;
    data::Batch batch = golden::batch(on.file["batch"]);
    for (int64_t s = 0; s < 10; ++s) {
      losses[which].push_back(step.run(Step(s), batch, 1, next_token_loss(8), breakdown).loss);
    }
  }
  for (size_t s = 0; s < 10; ++s)
    EXPECT_NEAR(losses[1][s], losses[0][s], 1e-3 * losses[0][s]) << "step " << s;
  EXPECT_LT(losses[1][9], losses[1][0]);
}

}  // namespace
}  // namespace sextant::trainer
