// A model whose matrix multiplies ranks share, against one rank and against other implementations' values.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/harness/golden_model.h"
#include "trainer/generation/generate.h"
#include "trainer/generation/score.h"
#include "trainer/loss.h"

namespace sextant::trainer::tensor_parallel_test {
namespace {

constexpr double kRelative = 1e-10;  // fp64 on both sides; they differ in the order of sums alone
constexpr Precision kDouble{at::kDouble, at::kDouble};

struct Case {
  const char* file;
  NumericsSettings::Recompute recompute;
};

std::unique_ptr<Transformer> model_of(const golden::Json& file, NumericsSettings::Recompute recompute,
                                      Precision precision, parallel::Group* tensor) {
  ModelPart part;
  part.tensor = tensor;
  auto model = std::make_unique<Transformer>(golden::model_settings(file["model"]), recompute, precision,
                                             at::kCPU, part);
  golden::set_weights(*model, file["parameters"]);
  return model;
}

Rows rows_in(const golden::Json& file) {
  auto batch = golden::batch(file["batch"]);
  return rows_of(batch, 0, batch.rows, at::kCPU, {});
}

// The sum over all who hold parts of it of a parameter's gradient, whole on every rank, in fp64.
at::Tensor whole_gradient(const Parameter& parameter, parallel::Group& tensor) {
  at::Tensor whole = at::zeros(parameter.shape, at::kDouble);
  golden::part_of(whole, parameter.slice()).copy_(parameter.value.grad());
  tensor.all_reduce(whole);
  return whole;
}

class TensorParallel : public testing::TestWithParam<std::tuple<int64_t, Case>> {};

TEST_P(TensorParallel, LossAndGradientsAreTheOthersAndOneRanks) {
  auto [ranks, tried] = GetParam();
  golden::Json file = golden::load(tried.file);
  Rows rows = rows_in(file);
  auto alone = model_of(file, tried.recompute, kDouble, nullptr);
  LossSum expected = loss_of(*alone, rows, next_token_loss(5));
  expected.sum.backward();

  parallel::run_ranks(ranks, [&, recompute = tried.recompute](parallel::Group& tensor) {
    auto model = model_of(file, recompute, kDouble, &tensor);
    // A chunk of 5 tokens leaves a ragged last one.
    LossSum loss = loss_of(*model, rows, next_token_loss(5));
    double sum = file["loss_sum"];
    EXPECT_NEAR(loss.sum.item<double>(), sum, kRelative * sum);
    EXPECT_EQ(loss.count.item<double>(), file["loss_count"].get<double>());
    loss.sum.backward();
    double scale = file["gradient_norm"].get<double>() * file["loss_count"].get<double>();
    auto reference = alone->parameters().begin();
    for (const auto& parameter : model->parameters()) {
      at::Tensor gradient = whole_gradient(*parameter, tensor);
      at::Tensor difference = (gradient - (*reference++)->value.grad()).abs().max();
      EXPECT_LT(difference.item<double>(), kRelative * scale) << parameter->name;
      auto stored = golden::summary(file["gradients"][parameter->name]);
      double count = file["loss_count"];
      EXPECT_NEAR(gradient.norm().item<double>(), stored.l2 * count, kRelative * scale) << parameter->name;
      for (size_t i = 0; i < stored.first.size(); ++i) {
        EXPECT_NEAR(gradient.view({-1})[static_cast<int64_t>(i)].item<double>(), stored.first[i] * count,
                    kRelative * scale)
            << parameter->name << " " << i;
      }
    }
  });
}

constexpr auto kNone = NumericsSettings::none, kSelective = NumericsSettings::selective,
               kFull = NumericsSettings::full;

// Four ranks are more than the two key heads of all but gpt2.
INSTANTIATE_TEST_SUITE_P(
    Files, TensorParallel,
    testing::Combine(testing::Values(2, 4),
                     testing::Values(Case{"llama.json", kNone}, Case{"llama.json", kSelective},
                                     Case{"llama.json", kFull}, Case{"llama_tied.json", kNone},
                                     Case{"llama_qk_norm.json", kSelective},
                                     Case{"llama_documents.json", kNone}, Case{"llama3.json", kNone},
                                     Case{"llama3.json", kFull}, Case{"mistral_documents.json", kSelective},
                                     Case{"qwen2.json", kNone}, Case{"qwen2.json", kSelective},
                                     Case{"qwen3.json", kNone}, Case{"gpt2.json", kNone},
                                     Case{"gpt2.json", kSelective}, Case{"gpt2.json", kFull})),
    [](const auto& named) {
      int64_t ranks = std::get<0>(named.param);
      const Case& tried = std::get<1>(named.param);
      std::string name = tried.file;
      return name.substr(0, name.find('.')) + "_recompute_" +
             NumericsSettings::Recompute_Name(tried.recompute) + "_on_" + std::to_string(ranks);
    });

// fp32 rounds at 6e-8; sums of 32 to 128 products, in another order, differ by some of these.
TEST(TensorParallelPrecision, Fp32StaysWithin1e5) {
  for (const char* name : {"llama.json", "gpt2.json", "qwen3.json"}) {
    golden::Json file = golden::load(name);
    Rows rows = rows_in(file);
    for (int64_t ranks : {2, 4}) {
      parallel::run_ranks(ranks, [&](parallel::Group& tensor) {
        auto model = model_of(file, kNone, {at::kFloat, at::kFloat}, &tensor);
        LossSum loss = loss_of(*model, rows, next_token_loss(5));
        double sum = file["loss_sum"], count = file["loss_count"];
        EXPECT_NEAR(loss.sum.item<double>(), sum, 1e-5 * sum) << name;
        loss.sum.backward();
        double scale = file["gradient_norm"].get<double>() * count;
        for (const auto& parameter : model->parameters()) {
          double stored = golden::summary(file["gradients"][parameter->name]).l2 * count;
          EXPECT_NEAR(whole_gradient(*parameter, tensor).norm().item<double>(), stored, 1e-5 * scale)
              << name << " " << parameter->name;
        }
      });
    }
  }
}

TEST(TensorParallelPrecision, Bf16FollowsTheGoldenLoss) {
  golden::Json file = golden::load("llama.json");
  Rows rows = rows_in(file);
  parallel::run_ranks(2, [&](parallel::Group& tensor) {
    auto model = model_of(file, kSelective, {at::kFloat, at::kBFloat16}, &tensor);
    LossSum loss = loss_of(*model, rows, next_token_loss(5));
    double sum = file["loss_sum"];
    EXPECT_NEAR(loss.sum.item<double>(), sum, 2e-2 * sum);
  });
}

class TensorParallelGeneration : public testing::TestWithParam<const char*> {};

// No number of ranks divides all of these lengths: the stream is whole on every rank.
TEST_P(TensorParallelGeneration, TokensAndScoresAreOneRanks) {
  golden::Json file = golden::load(GetParam());
  auto alone = model_of(file, kNone, kDouble, nullptr);
  auto prompt = file["greedy"]["prompt"].get<std::vector<int32_t>>();
  auto expected = file["greedy"]["next"].get<std::vector<int32_t>>();
  GenerationSettings greedy, drawn;
  greedy.sampling.temperature = 0;
  greedy.tokens = drawn.tokens = static_cast<int64_t>(expected.size());
  auto reference = generate(*alone, {prompt, {3}}, drawn);
  drawn.rows = 1;  // one after the other
  std::vector<int32_t> text = prompt;
  text.insert(text.end(), expected.begin(), expected.end());
  auto scores = score(*alone, text);
  for (int64_t ranks : {2, 4}) {
    parallel::run_ranks(ranks, [&](parallel::Group& tensor) {
      auto model = model_of(file, kNone, kDouble, &tensor);
      EXPECT_EQ(generate(*model, {prompt}, greedy)[0].ids, expected);
      auto completions = generate(*model, {prompt, {3}}, drawn);
      for (size_t i = 0; i < completions.size(); ++i) EXPECT_EQ(completions[i].ids, reference[i].ids);
      auto own = score(*model, text);
      ASSERT_EQ(own.size(), scores.size());
      for (size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], scores[i], 1e-11);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TensorParallelGeneration,
                         testing::Values("llama.json", "llama_tied.json", "qwen3.json", "mistral.json",
                                         "gpt2.json"),
                         [](const auto& named) {
                           std::string name = named.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(TensorParallelParts, RanksHoldWhatThePlacementSays) {
  golden::Json file = golden::load("llama_qk_norm.json");
  parallel::run_ranks(4, [&](parallel::Group& tensor) {
    auto model = model_of(file, kNone, kDouble, &tensor);
    auto shape = [&](const std::string& name) {
      for (const auto& parameter : model->parameters())
        if (parameter->name == name) return parameter->slice();
      return parallel::Slice{};
    };
    int64_t rank = tensor.rank().value();
    // 4 heads of 8 channels, 2 key heads, 48 hidden channels, 64 ids, 32 channels.
    EXPECT_EQ(shape("blocks.0.attention.query.weight"), (parallel::Slice{{rank * 8, 0}, {8, 32}}));
    EXPECT_EQ(shape("blocks.0.attention.key.weight"), (parallel::Slice{{rank / 2 * 8, 0}, {8, 32}}));
    EXPECT_EQ(shape("blocks.0.attention.output.weight"), (parallel::Slice{{0, rank * 8}, {32, 8}}));
    EXPECT_EQ(shape("blocks.0.attention.key_norm.weight"), (parallel::Slice{{0}, {8}}));
    EXPECT_EQ(shape("blocks.0.feed_forward.up.weight"), (parallel::Slice{{rank * 12, 0}, {12, 32}}));
    EXPECT_EQ(shape("blocks.0.feed_forward.down.weight"), (parallel::Slice{{0, rank * 12}, {32, 12}}));
    EXPECT_EQ(shape("embedding.weight"), (parallel::Slice{{rank * 16, 0}, {16, 32}}));
    EXPECT_EQ(shape("output.weight"), (parallel::Slice{{rank * 16, 0}, {16, 32}}));
  });
}

}  // namespace
}  // namespace sextant::trainer::tensor_parallel_test
