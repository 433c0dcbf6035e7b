// The rules of muP on parameters and forward; that they do what they are for is in scaling/coordinates_test.
#include "trainer/model/mup.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer::mup_test {
namespace {

ModelSettings model_of_width(int width, int base_width) {
  ModelSettings settings;
  settings.set_layers(2);
  settings.set_width(width);
  settings.set_heads(width / 16);
  settings.set_ffn_width(2 * width);
  settings.set_context(16);
  settings.set_vocabulary(32);
  settings.mutable_mup()->set_base_width(base_width);
  settings.mutable_mup()->set_base_head_width(4);
  fill_model_defaults(settings, 0);
  return settings;
}

const Parameter& named(const Transformer& model, const std::string& name) {
  for (const auto& parameter : model.parameters()) {
    if (parameter->name == name) return *parameter;
  }
  throw std::runtime_error("no parameter " + name);
}

constexpr Precision kDouble{at::kDouble, at::kDouble};

TEST(Mup, ScalesByRole) {
  Transformer model(model_of_width(64, 16), NumericsSettings::none, kDouble, at::kCPU);
  const Parameter& hidden = named(model, "blocks.0.feed_forward.up.weight");
  EXPECT_DOUBLE_EQ(hidden.initial_std, 0.02 / 2);
  EXPECT_DOUBLE_EQ(hidden.learning_rate_scale, 0.25);
  EXPECT_DOUBLE_EQ(named(model, "blocks.0.attention.output.weight").initial_std,
                   0.02 / 2 / 2);  // sqrt(2 layers)
  for (const char* name : {"embedding.weight", "output.weight"}) {
    EXPECT_DOUBLE_EQ(named(model, name).initial_std, 0.02) << name;
    EXPECT_DOUBLE_EQ(named(model, name).learning_rate_scale, 1) << name;
  }
  EXPECT_DOUBLE_EQ(named(model, "final_norm.weight").learning_rate_scale, 1);
  EXPECT_DOUBLE_EQ(output_multiplier(model.settings()), 0.25);
  EXPECT_DOUBLE_EQ(query_multiplier(model.settings()), 0.5);  // sqrt(4) / 16 instead of 1 / sqrt(16)
}

TEST(Mup, IsTheUsualModelAtTheBaseWidth) {
  ModelSettings base = model_of_width(32, 32);
  base.mutable_mup()->set_base_head_width(16);
  ModelSettings usual = base;
  usual.mutable_mup()->set_base_width(0);
  Transformer with(base, NumericsSettings::none, kDouble, at::kCPU);
  Transformer without(usual, NumericsSettings::none, kDouble, at::kCPU);
  for (const auto& parameter : with.parameters()) {
    EXPECT_EQ(parameter->initial_std, named(without, parameter->name).initial_std);
    EXPECT_EQ(parameter->learning_rate_scale, 1);
  }
  EXPECT_EQ(output_multiplier(base), 1);
  EXPECT_EQ(query_multiplier(base), 1);
}

at::Tensor logits_of(const Transformer& model) {
  at::NoGradGuard no_gradient;
  at::Tensor tokens = at::arange(10, at::kLong).unsqueeze(0);
  return model.logits(model.forward(tokens, tokens, at::Tensor()));
}

// The multipliers in the weights, as an export writes them, in a model without muP.
TEST(Mup, FoldsIntoWeights) {
  for (bool qk_norm : {false, true}) {
    ModelSettings settings = model_of_width(64, 16);
    settings.set_qk_norm(qk_norm);
    settings.set_query_key_value_bias(true);
    ModelSettings usual = settings;
    usual.mutable_mup()->set_base_width(0);
    Transformer with(settings, NumericsSettings::none, kDouble, at::kCPU);
    Transformer without(usual, NumericsSettings::none, kDouble, at::kCPU);
    initialise(with.parameters(), 3);
    at::NoGradGuard no_gradient;
    for (const auto& parameter : with.parameters()) {
      // Biases count as well, and attention must not be flat.
      if (parameter->initial == Initial::kZeros) parameter->master.fill_(0.3);
      if (parameter->name.find("attention.query.weight") != std::string::npos) parameter->master.mul_(30);
      named(without, parameter->name)
          .master.copy_(parameter->master * folded_multiplier(settings, parameter->name));
    }
    at::Tensor expected = logits_of(with);
    EXPECT_LT((logits_of(without) - expected).abs().max().item<double>(), 1e-12);
    usual.mutable_mup()->set_base_width(64);
    EXPECT_GT(expected.std().item<double>(), 1e-3) << "the logits say something";
  }
}

}  // namespace
}  // namespace sextant::trainer::mup_test
