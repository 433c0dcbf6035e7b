// Logits, losses and gradients of our models against Hugging Face transformers' in fp64.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tests/harness/golden_model.h"
#include "trainer/generation/generate.h"
#include "trainer/loss.h"

namespace sextant::trainer::golden_model_test {
namespace {

constexpr double kRelative = 1e-10;  // both sides are fp64; they differ in the order of sums alone

struct Case {
  const char* file;
  NumericsSettings::Recompute recompute;
};

class GoldenModel : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    file_ = golden::load(GetParam().file);
    model_ = std::make_unique<Transformer>(golden::model_settings(file_["model"]), GetParam().recompute,
                                           Precision{at::kDouble, at::kDouble}, at::kCPU);
    golden::set_weights(*model_, file_["parameters"]);
    auto batch = golden::batch(file_["batch"]);
    rows_ = rows_of(batch, 0, batch.rows, at::kCPU, {});
  }

  golden::Json file_;
  std::unique_ptr<Transformer> model_;
  Rows rows_;
};

TEST_P(GoldenModel, Logits) {
  at::NoGradGuard no_gradient;
  at::Tensor logits = model_->logits(model_->forward(rows_.tokens, rows_.positions, rows_.documents));
  auto expected = golden::numbers(file_["logits"]["values"]);
  at::Tensor stored = at::tensor(expected, at::kDouble);
  ASSERT_EQ(logits.numel() % stored.numel(), 0);
  at::Tensor ours = logits.reshape({-1}).narrow(0, 0, stored.numel());
  EXPECT_LT((ours - stored).abs().max().item<double>(), kRelative * stored.abs().max().item<double>());
}

TEST_P(GoldenModel, LossAndGradients) {
  // A chunk of 5 tokens leaves a ragged last one.
  LossSum loss = loss_of(*model_, rows_, next_token_loss(5));
  EXPECT_EQ(loss.count.item<double>(), file_["loss_count"].get<double>());
  double expected = file_["loss_sum"];
  EXPECT_NEAR(loss.sum.item<double>(), expected, kRelative * expected);
  (loss.sum / loss.count).backward();
  double scale = file_["gradient_norm"];
  for (const auto& parameter : model_->parameters()) {
    auto stored = golden::summary(file_["gradients"][parameter->name]);
    at::Tensor grad = parameter->value.grad();
    ASSERT_TRUE(grad.defined()) << parameter->name;
    EXPECT_NEAR(grad.norm().item<double>(), stored.l2, kRelative * scale) << parameter->name;
    EXPECT_NEAR(grad.sum().item<double>(), stored.sum, 1e-9 * scale) << parameter->name;
    at::Tensor flat = grad.reshape({-1});
    for (size_t i = 0; i < stored.first.size(); ++i) {
      EXPECT_NEAR(flat[static_cast<int64_t>(i)].item<double>(), stored.first[i], kRelative * scale)
          << parameter->name << " " << i;
    }
  }
}

TEST_P(GoldenModel, GreedyTokens) {
  auto prompt = file_["greedy"]["prompt"].get<std::vector<int32_t>>();
  auto expected = file_["greedy"]["next"].get<std::vector<int32_t>>();
  GenerationSettings settings;
  settings.sampling.temperature = 0;
  settings.tokens = static_cast<int64_t>(expected.size());
  auto completions = generate(*model_, {prompt}, settings);
  EXPECT_EQ(completions[0].ids, expected);
}

INSTANTIATE_TEST_SUITE_P(
    Files, GoldenModel,
    testing::Values(
        Case{"llama.json", NumericsSettings::none}, Case{"llama.json", NumericsSettings::selective},
        Case{"llama.json", NumericsSettings::full}, Case{"llama_tied.json", NumericsSettings::none},
        Case{"llama_tied.json", NumericsSettings::full}, Case{"llama_qk_norm.json", NumericsSettings::none},
        Case{"llama_qk_norm.json", NumericsSettings::selective},
        Case{"llama_documents.json", NumericsSettings::none}, Case{"llama3.json", NumericsSettings::none},
        Case{"llama3.json", NumericsSettings::selective}, Case{"mistral.json", NumericsSettings::none},
        Case{"mistral_documents.json", NumericsSettings::none}, Case{"qwen2.json", NumericsSettings::none},
        Case{"qwen2.json", NumericsSettings::selective}, Case{"qwen3.json", NumericsSettings::none},
        Case{"mixtral.json", NumericsSettings::none}, Case{"mixtral.json", NumericsSettings::selective},
        Case{"mixtral.json", NumericsSettings::full}, Case{"qwen3_moe.json", NumericsSettings::none},
        Case{"qwen3_moe.json", NumericsSettings::full}, Case{"gpt2.json", NumericsSettings::none},
        Case{"gpt2.json", NumericsSettings::selective}, Case{"gpt2.json", NumericsSettings::full}),
    [](const auto& named) {
      std::string name = named.param.file;
      return name.substr(0, name.find('.')) + "_recompute_" +
             NumericsSettings::Recompute_Name(named.param.recompute);
    });

}  // namespace
}  // namespace sextant::trainer::golden_model_test
