// AdamW, clipping and learning rates against numpy and torch.optim.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/harness/golden.h"
#include "trainer/optimizer/adamw.h"
#include "trainer/optimizer/clip.h"
#include "trainer/optimizer/learning_rate.h"

namespace sextant::trainer::golden_optimizer_test {
namespace {

const golden::Json& file() {
  static const golden::Json kFile = golden::load("optimizer.json");
  return kFile;
}

at::Tensor tensor(const golden::Json& list) {
  return at::tensor(golden::numbers(list), at::kDouble);
}

OptimizerSettings settings_of(const golden::Json& entry) {
  OptimizerSettings settings;
  settings.set_weight_decay(entry.at("weight_decay"));
  settings.set_beta1(entry.at("beta1"));
  settings.set_beta2(entry.at("beta2"));
  settings.set_epsilon(entry.at("epsilon"));
  return settings;
}

TEST(GoldenOptimizer, AdamW) {
  ASSERT_FALSE(file()["adamw"].empty());
  for (const auto& entry : file()["adamw"]) {
    ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
    Parameter described;
    described.name = "w";
    described.shape = golden::shape(entry);
    Parameter& parameter = parameters.add(described);
    parameter.master.copy_(tensor(entry["start"]).view(described.shape));
    parameter.grad = at::empty_like(parameter.master);
    AdamW optimizer(settings_of(entry), whole_pieces(parameters));
    for (size_t step = 0; step < entry["gradients"].size(); ++step) {
      parameter.grad.copy_(tensor(entry["gradients"][step]).view(described.shape));
      optimizer.update(entry["learning_rates"][step]);
      at::Tensor expected = tensor(entry["after"][step]["weight"]).view(described.shape);
      EXPECT_LT((parameter.master - expected).abs().max().item<double>(), 1e-12) << "update " << step;
      at::Tensor mean = tensor(entry["after"][step]["mean"]).view(described.shape);
      at::Tensor square = tensor(entry["after"][step]["square"]).view(described.shape);
      EXPECT_LT((optimizer.state()[0].tensor - mean).abs().max().item<double>(), 1e-12) << "update " << step;
      EXPECT_LT((optimizer.state()[1].tensor - square).abs().max().item<double>(), 1e-10)
          << "update " << step;
    }
    EXPECT_EQ(optimizer.updates(), static_cast<int64_t>(entry["gradients"].size()));
  }
}

TEST(GoldenOptimizer, NoDecayWhereTheParameterSaysSo) {
  ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
  for (Decay decay : {Decay::kYes, Decay::kNo}) {
    Parameter described;
    described.name = decay == Decay::kYes ? "matrix" : "norm";
    described.shape = {2};
    described.decay = decay;
    Parameter& parameter = parameters.add(described);
    parameter.master.fill_(1);
    parameter.grad = at::zeros({2}, at::kDouble);
  }
  OptimizerSettings settings;
  settings.set_weight_decay(0.5);
  AdamW(settings, whole_pieces(parameters)).update(0.1);
  EXPECT_DOUBLE_EQ((*parameters.begin())->master[0].item<double>(), 0.95);  // 1 - 0.1 * 0.5
  EXPECT_DOUBLE_EQ((*(parameters.begin() + 1))->master[0].item<double>(), 1.0);
}

TEST(GoldenOptimizer, Clipping) {
  ASSERT_FALSE(file()["clipping"].empty());
  for (const auto& entry : file()["clipping"]) {
    std::vector<at::Tensor> gradients;
    for (const auto& [name, list] : entry["gradients"].items()) gradients.push_back(tensor(list));
    double norm = global_norm(gradients);
    EXPECT_NEAR(norm, entry.at("norm").get<double>(), 1e-12 * norm);
    double scale = clip_scale(norm, entry.at("max_norm"));
    EXPECT_NEAR(scale, entry.at("scale").get<double>(), 1e-12);
  }
  EXPECT_EQ(clip_scale(100.0, 0.0), 1.0) << "0 turns clipping off";
}

TEST(GoldenOptimizer, LearningRates) {
  ASSERT_GE(file()["schedules"].size(), 4u);
  for (const auto& entry : file()["schedules"]) {
    OptimizerSettings settings;
    OptimizerSettings::Schedule schedule = OptimizerSettings::cosine;
    ASSERT_TRUE(OptimizerSettings::Schedule_Parse(entry.at("schedule").get<std::string>(), &schedule));
    settings.set_schedule(schedule);
    settings.set_learning_rate(entry.at("learning_rate"));
    settings.set_final_fraction(entry.at("final_fraction"));
    settings.set_warmup_steps(entry.at("warmup_steps"));
    settings.set_decay_steps(entry.at("decay_steps"));
    auto expected = golden::numbers(entry["values"]);
    for (size_t s = 0; s < expected.size(); ++s) {
      double rate = learning_rate(settings, Step(static_cast<int64_t>(s)), entry.at("steps"));
      EXPECT_NEAR(rate, expected[s], 1e-15) << entry["schedule"] << " update " << s;
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::golden_optimizer_test
