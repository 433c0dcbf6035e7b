// A model with one number for each token, against its own trunk and over ranks that share it.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"
#include "tests/harness/finite_differences.h"
#include "tests/harness/golden_model.h"
#include "trainer/generation/generate.h"
#include "trainer/model/initialise.h"

namespace sextant::trainer::scalar_head_test {
namespace {

constexpr Precision kDouble{at::kDouble, at::kDouble};

ModelSettings scalar_settings(const golden::Json& file) {
  ModelSettings settings = golden::model_settings(file["model"]);
  settings.set_head(ModelSettings::scalar);
  return settings;
}

// The file's trunk under a head of our own: weight i is sin(i), bias 0.25.
std::unique_ptr<Transformer> model_of(const golden::Json& file, parallel::Group* tensor) {
  at::NoGradGuard no_gradient;
  ModelPart part;
  part.tensor = tensor;
  auto model =
      std::make_unique<Transformer>(scalar_settings(file), NumericsSettings::none, kDouble, at::kCPU, part);
  for (const auto& parameter : model->parameters()) {
    if (parameter->name == "value_head.weight") {
      parameter->master.copy_(at::arange(parameter->shape[1], at::kDouble).sin().unsqueeze(0));
    } else if (parameter->name == "value_head.bias") {
      parameter->master.fill_(0.25);
    } else {
      const golden::Json& entry = file["parameters"].at(parameter->name);
      at::Tensor whole = at::tensor(golden::values(entry), at::kDouble).view(golden::shape(entry));
      parameter->master.copy_(golden::part_of(whole, parameter->slice()));
    }
  }
  model->parameters().refresh_values();
  return model;
}

Rows rows_in(const golden::Json& file) {
  auto batch = golden::batch(file["batch"]);
  return rows_of(batch, 0, batch.rows, at::kCPU, {});
}

// A loss that weighs every token otherwise, of values [B, T].
at::Tensor weighed(const at::Tensor& values) {
  at::Tensor weights = at::arange(values.numel(), values.options()).view(values.sizes()).cos();
  return (values * values * weights).sum();
}

TEST(ScalarHead, ReadsTheChannelsBehindTheFinalNorm) {
  for (const char* name : {"llama.json", "llama_tied.json", "gpt2.json"}) {
    at::NoGradGuard no_gradient;
    golden::Json file = golden::load(name);
    Rows rows = rows_in(file);
    auto model = model_of(file, nullptr);
    at::Tensor values = model->values(model->forward_stage(0, {}, rows));
    // The golden model of text, whose trunk is proved against another implementation, and the head by hand.
    Transformer text(golden::model_settings(file["model"]), NumericsSettings::none, kDouble, at::kCPU);
    golden::set_weights(text, file["parameters"]);
    at::Tensor hidden = text.forward_stage(0, {}, rows);
    at::Tensor expected = (hidden * at::arange(hidden.size(2), at::kDouble).sin()).sum(-1) + 0.25;
    EXPECT_LT((values - expected).abs().max().item<double>(), 1e-12) << name;  // fp64 sums in another order
  }
}

TEST(ScalarHead, RanksThatShareTheModelHaveOneRanksValuesAndGradients) {
  for (const char* name : {"llama.json", "llama_tied.json", "gpt2.json"}) {
    golden::Json file = golden::load(name);
    Rows rows = rows_in(file);
    auto alone = model_of(file, nullptr);
    at::Tensor expected = alone->values(alone->forward_stage(0, {}, rows));
    weighed(expected).backward();
    for (int64_t ranks : {2, 4}) {
      parallel::run_ranks(ranks, [&](parallel::Group& tensor) {
        auto model = model_of(file, &tensor);
        at::Tensor values = model->values(model->forward_stage(0, {}, rows));
        EXPECT_LT((values - expected).abs().max().item<double>(), 1e-10) << name;
        weighed(values).backward();
        auto reference = alone->parameters().begin();
        for (const auto& parameter : model->parameters()) {
          at::Tensor whole = at::zeros(parameter->shape, at::kDouble);
          golden::part_of(whole, parameter->slice()).copy_(parameter->value.grad());
          tensor.all_reduce(whole);
          at::Tensor wanted = (*reference++)->value.grad();
          double scale = wanted.abs().max().item<double>() + 1;
          EXPECT_LT((whole - wanted).abs().max().item<double>(), 1e-10 * scale)
              << name << " " << parameter->name;
        }
      });
    }
  }
}

TEST(ScalarHead, StartsWithVarianceOneOverChannels) {
  golden::Json file = golden::load("llama.json");
  ModelSettings settings = scalar_settings(file);
  settings.set_width(4096);
  settings.set_layers(1);
  settings.set_ffn_width(8);
  settings.set_vocabulary(8);
  settings.clear_head_width();
  settings.set_heads(64);
  settings.set_kv_heads(64);
  Transformer model(settings, NumericsSettings::none, kDouble, at::kCPU);
  for (const auto& parameter : model.parameters()) {
    EXPECT_FALSE(parameter->name == "output.weight");
    if (parameter->name != "value_head.weight") continue;
    EXPECT_DOUBLE_EQ(parameter->initial_std, 1 / std::sqrt(4097.0));
    EXPECT_EQ(parameter->shape, (std::vector<int64_t>{1, 4096}));
  }
}

TEST(ScalarHead, IsNoModelOfText) {
  auto model = model_of(golden::load("llama.json"), nullptr);
  EXPECT_THROW(generate(*model, {{1, 2}}, {}), Error);
}

}  // namespace
}  // namespace sextant::trainer::scalar_head_test
