// What balance and z-loss add to the gradients, against PyTorch's autograd through their written-out sums.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/harness/golden_model.h"
#include "trainer/loss.h"

namespace sextant::trainer::golden_balance_test {
namespace {

TEST(GoldenBalance, GradientsOfTheSumOfLosses) {
  golden::Json file = golden::load("mixtral_balance.json");
  for (auto recompute : {NumericsSettings::none, NumericsSettings::full}) {
    Transformer model(golden::model_settings(file["model"]), recompute, {at::kDouble, at::kDouble}, at::kCPU);
    golden::set_weights(model, file["parameters"]);
    auto batch = golden::batch(file["batch"]);
    LossSum loss = loss_of(model, rows_of(batch, 0, batch.rows, at::kCPU, {}), next_token_loss(5));
    double expected = file["loss_sum"];
    EXPECT_NEAR(loss.sum.item<double>(), expected, 1e-10 * expected)
        << "the loss itself is cross-entropy alone";
    loss.sum.backward();
    double scale = file["gradient_norm"];
    for (const auto& parameter : model.parameters()) {
      auto stored = golden::summary(file["gradients"][parameter->name]);
      at::Tensor grad = parameter->value.grad();
      ASSERT_TRUE(grad.defined()) << parameter->name;
      EXPECT_NEAR(grad.norm().item<double>(), stored.l2, 1e-10 * scale) << parameter->name;
      at::Tensor flat = grad.reshape({-1});
      for (size_t i = 0; i < stored.first.size(); ++i) {
        EXPECT_NEAR(flat[static_cast<int64_t>(i)].item<double>(), stored.first[i], 1e-10 * scale)
            << parameter->name << " " << i;
      }
    }
    // Every choice is counted once, with recomputation too.
    for (const auto& [layer, router] : model.routers()) {
      EXPECT_EQ(router->load().sum().item<int64_t>(), batch.rows * batch.time * 2);
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::golden_balance_test
