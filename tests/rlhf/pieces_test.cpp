// The arithmetic of PPO against another implementation's values and by hand.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "rlhf/advantage.h"
#include "rlhf/divergence.h"
#include "rlhf/policy_loss.h"
#include "rlhf/whitening.h"
#include "tests/harness/golden.h"

namespace sextant::rlhf::pieces_test {
namespace {

constexpr double kExact = 1e-12;  // fp64 arithmetic on numbers near 1, a dozen operations deep

std::vector<double> numbers(const golden::Json& json) {
  return json.get<std::vector<double>>();
}

at::Tensor tensor(const golden::Json& json) {
  return at::tensor(numbers(json), at::kDouble);
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance = kExact) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << i;
}

void expect_near(const at::Tensor& a, const golden::Json& b) {
  expect_near({a.data_ptr<double>(), a.data_ptr<double>() + a.numel()}, numbers(b));
}

TEST(Advantages, AreTheDoubleSums) {
  golden::Json examples = golden::load("alignment.json")["advantages"];
  EXPECT_EQ(examples.size(), 5u);
  for (const golden::Json& example : examples) {
    auto values = numbers(example["values"]);
    Advantages found =
        generalised_advantages(numbers(example["rewards"]), values, example["gamma"], example["lambda"]);
    expect_near(found.advantages, numbers(example["advantages"]));
    for (size_t t = 0; t < values.size(); ++t)
      EXPECT_NEAR(found.returns[t], found.advantages[t] + values[t], kExact);
  }
}

// gamma = lambda = 1: what is still to come less what was expected. 1 + 2 + 3 - 0.5, 2 + 3 - 1, 3 - 2.
TEST(Advantages, ByHand) {
  expect_near(generalised_advantages({1, 2, 3}, {0.5, 1, 2}, 1, 1).advantages, {5.5, 4, 1});
  // lambda 0: one step. 1 + 1 - 0.5, 2 + 2 - 1, 3 - 2.
  expect_near(generalised_advantages({1, 2, 3}, {0.5, 1, 2}, 1, 0).advantages, {1.5, 3, 1});
}

TEST(Advantages, OfGroups) {
  golden::Json examples = golden::load("alignment.json")["groups"];
  EXPECT_EQ(examples.size(), 2u);
  for (const golden::Json& example : examples) {
    auto scores = numbers(example["scores"]);
    expect_near(group_relative_advantages(scores, example["group"]), numbers(example["relative"]));
    expect_near(leave_one_out_advantages(scores, example["group"]), numbers(example["leave_one_out"]));
  }
  expect_near(leave_one_out_advantages({1, 2, 6}, 3), {-3, -1.5, 4.5});
  expect_near(group_relative_advantages({2, 2, 2}, 3), {0, 0, 0});
  expect_near(group_mean_advantages({1, 2, 6, 0, 0, 3}, 3), {-2, -1, 3, -1, -1, 2});
}

TEST(Divergence, EstimatorsAreTheirDefinitionsAndHaveTheRightMean) {
  golden::Json example = golden::load("alignment.json")["divergence"];
  auto ratios = numbers(example["log_ratios"]), k2 = numbers(example["k2"]), k3 = numbers(example["k3"]);
  auto probabilities = numbers(example["probabilities"]);
  double mean1 = 0, mean3 = 0;
  for (size_t i = 0; i < ratios.size(); ++i) {
    EXPECT_DOUBLE_EQ(divergence(KlSettings::k1, ratios[i]), ratios[i]);
    EXPECT_NEAR(divergence(KlSettings::k2, ratios[i]), k2[i], kExact);
    EXPECT_NEAR(divergence(KlSettings::k3, ratios[i]), k3[i], kExact);
    mean1 += probabilities[i] * divergence(KlSettings::k1, ratios[i]);
    mean3 += probabilities[i] * divergence(KlSettings::k3, ratios[i]);
  }
  EXPECT_NEAR(mean1, example["kl"].get<double>(), kExact);
  EXPECT_NEAR(mean3, example["kl"].get<double>(), kExact);
}

TEST(Divergence, CoefficientIsSteeredAsInLmHumanPreferences) {
  KlSettings settings;
  settings.set_coefficient(0.15);
  settings.set_control(KlSettings::adaptive);
  KlController controller(settings);  // target 6, horizon 10000
  controller.update(60, 512);         // far above: the error is cut to 0.2
  EXPECT_DOUBLE_EQ(controller.coefficient(), 0.15 * (1 + 0.2 * 512 / 10000));
  controller.restore(0.1);
  controller.update(5.4, 1000);  // a tenth below
  EXPECT_NEAR(controller.coefficient(), 0.1 * (1 - 0.1 * 0.1), 1e-15);
  settings.set_control(KlSettings::fixed);
  KlController fixed(settings);
  fixed.update(60, 512);
  EXPECT_EQ(fixed.coefficient(), 0.15);
}

TEST(Whitening, IsTheOthers) {
  golden::Json example = golden::load("alignment.json")["whitening"];
  auto white = numbers(example["numbers"]);
  whiten(white);
  expect_near(white, numbers(example["white"]));
  std::vector<double> none, equal{3, 3};
  whiten(none);
  whiten(equal);
  expect_near(equal, {0, 0});
}

TEST(PolicyLoss, LossesAndSlopesAreTheOthers) {
  golden::Json example = golden::load("alignment.json")["policy"];
  ClippedPolicy policy = clipped_policy(tensor(example["now"]), tensor(example["before"]),
                                        tensor(example["advantages"]), example["clip"]);
  expect_near(policy.losses, example["losses"]);
  expect_near(policy.slopes, example["slopes"]);
  int64_t clipped = policy.clipped.sum().item<int64_t>();
  EXPECT_GT(clipped, 0);
  EXPECT_LT(clipped, policy.clipped.numel());
}

TEST(PolicyLoss, DivergenceLossesAndSlopesAreTheOthers) {
  golden::Json example = golden::load("alignment.json")["divergence_loss"];
  at::Tensor ratios = tensor(example["log_ratios"]);
  const std::pair<KlSettings::Estimator, const char*> kEach[] = {{KlSettings::k2, "k2"},
                                                                 {KlSettings::k3, "k3"}};
  for (const auto& [estimator, name] : kEach) {
    DivergenceLoss found = divergence_loss(estimator, ratios);
    expect_near(found.losses, example[name]["losses"]);
    expect_near(found.slopes, example[name]["slopes"]);
    for (int64_t i = 0; i < ratios.numel(); ++i) {
      EXPECT_NEAR(found.losses[i].item<double>(), divergence(estimator, ratios[i].item<double>()), kExact)
          << "a penalty in the loss is the one in the reward";
    }
  }
}

TEST(PolicyLoss, ValueLossesAndGradientsAreTheOthers) {
  golden::Json example = golden::load("alignment.json")["value"];
  at::Tensor values = tensor(example["values"]).requires_grad_();
  at::Tensor losses =
      clipped_value_losses(values, tensor(example["before"]), tensor(example["returns"]), example["clip"]);
  expect_near(losses.detach(), example["losses"]);
  losses.sum().backward();
  expect_near(values.grad(), example["slopes"]);
}

}  // namespace
}  // namespace sextant::rlhf::pieces_test
