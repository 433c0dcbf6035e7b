#include "trainer/generation/generate.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "parallel/base/error.h"
#include "tests/harness/golden_model.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::trainer::generate_test {
namespace {

// Prompts of several lengths, and answers that end after 1 to 7 tokens, as their first one has it.
std::vector<std::vector<int32_t>> mixed_prompts() {
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 11; ++i) {
    prompts.emplace_back();
    for (int32_t t = 0; t <= i % 4; ++t) prompts.back().push_back((7 * i + 3 * t) % 64);
  }
  return prompts;
}

GenerationSettings mixed_lengths(int64_t rows) {
  GenerationSettings settings;
  settings.rows = rows;
  settings.tokens = 7;
  settings.seed = 11;
  settings.stop_when = [](const std::vector<int32_t>& ids) {
    return static_cast<int32_t>(ids.size()) >= 1 + ids[0] % 7;
  };
  return settings;
}

// How many passes there are where each prompt gets the first row that is free. A prompt's first token follows
// from its reading, each other one from a pass.
int64_t steps_of(const std::vector<Completion>& completions, size_t rows) {
  std::vector<size_t> free_from(rows, 0);
  std::set<size_t> steps;
  for (const Completion& completion : completions) {
    auto row = std::min_element(free_from.begin(), free_from.end());
    for (size_t t = 1; t < completion.ids.size(); ++t) steps.insert(*row + t);
    *row += completion.ids.size();
  }
  return static_cast<int64_t>(steps.size());
}

class Generate : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto file = golden::load(GetParam());
    model_ = std::make_unique<Transformer>(golden::model_settings(file["model"]), NumericsSettings::none,
                                           Precision{at::kDouble, at::kDouble}, at::kCPU);
    golden::set_weights(*model_, file["parameters"]);
  }
  std::unique_ptr<Transformer> model_;
};

TEST_P(Generate, LogProbabilitiesAreThoseOfTheTrainingForwardPass) {
  GenerationSettings settings;
  settings.tokens = 9;
  settings.seed = 5;
  std::vector<std::vector<int32_t>> prompts{{1, 11, 35}, {9, 2, 60, 7, 30, 5}, {4}};
  auto completions = generate(*model_, prompts, settings);
  for (size_t row = 0; row < prompts.size(); ++row) {
    ASSERT_EQ(completions[row].ids.size(), 9u);
    std::vector<int64_t> all(prompts[row].begin(), prompts[row].end());
    all.insert(all.end(), completions[row].ids.begin(), completions[row].ids.end());
    at::Tensor ids = at::tensor(all, at::kLong).unsqueeze(0);
    int64_t length = ids.size(1) - 1;
    at::Tensor hidden =
        model_->forward(ids.narrow(1, 0, length), at::arange(length, at::kLong).unsqueeze(0), {});
    at::Tensor expected =
        target_log_probabilities(hidden[0], model_->output_weight(), ids[0].narrow(0, 1, length), 4);
    for (size_t i = 0; i < 9; ++i) {
      auto position = static_cast<int64_t>(prompts[row].size() + i) - 1;
      EXPECT_NEAR(completions[row].log_probabilities[i], expected[position].item<double>(), 1e-12);
    }
  }
}

TEST_P(Generate, APromptsCompletionDoesNotDependOnTheOthers) {
  GenerationSettings settings;
  settings.tokens = 6;
  settings.sampling.temperature = 0;
  auto together = generate(*model_, {{1, 2, 3, 4, 5}, {7, 8}}, settings);
  auto alone = generate(*model_, {{1, 2, 3, 4, 5}}, settings);
  EXPECT_EQ(together[0].ids, alone[0].ids);
  EXPECT_EQ(together[1].ids, generate(*model_, {{7, 8}}, settings)[0].ids);
}

// Nor on how many rows there are and which of them it has; fp64's products add in another order for another
// number of rows.
TEST_P(Generate, APromptsCompletionDoesNotDependOnTheRows) {
  auto prompts = mixed_prompts();
  auto together = generate(*model_, prompts, mixed_lengths(11));
  std::set<size_t> lengths;
  for (const Completion& completion : together) lengths.insert(completion.ids.size());
  ASSERT_GE(lengths.size(), 3u);
  for (int64_t rows : {1, 2, 3, 5, 64}) {
    auto completions = generate(*model_, prompts, mixed_lengths(rows));
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(completions[i].ids, together[i].ids) << rows << " rows, prompt " << i;
      EXPECT_EQ(completions[i].ended, together[i].ended);
      for (size_t t = 0; t < completions[i].ids.size(); ++t)
        EXPECT_NEAR(completions[i].log_probabilities[t], together[i].log_probabilities[t], 1e-12);
    }
  }
  for (size_t i = 0; i < prompts.size(); i += 4) {
    GenerationSettings settings = mixed_lengths(1);
    settings.numbers = {i};
    EXPECT_EQ(generate(*model_, {prompts[i]}, settings)[0].ids, together[i].ids);
  }
}

TEST_P(Generate, TheNextPromptTakesTheRowOfOneThatEnded) {
  auto prompts = mixed_prompts();
  for (int64_t rows : {1, 2, 3, 5, 64}) {
    GenerationSpeed speed;
    std::vector<std::vector<int32_t>> heard(prompts.size());
    auto completions = generate(
        *model_, prompts, mixed_lengths(rows),
        [&](size_t prompt, int32_t id) { heard[prompt].push_back(id); }, &speed);
    EXPECT_EQ(speed.steps, steps_of(completions, static_cast<size_t>(rows))) << rows << " rows";
    for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(heard[i], completions[i].ids);
  }
}

TEST_P(Generate, SeedsDecide) {
  GenerationSettings settings;
  settings.tokens = 12;
  settings.seed = 1;
  auto first = generate(*model_, {{1, 2}}, settings)[0].ids;
  EXPECT_EQ(generate(*model_, {{1, 2}}, settings)[0].ids, first);
  settings.seed = 2;
  EXPECT_NE(generate(*model_, {{1, 2}}, settings)[0].ids, first);
}

TEST_P(Generate, StopsAtTheStopTokenAndAtTheContext) {
  GenerationSettings settings;
  settings.tokens = 100;
  settings.sampling.temperature = 0;
  auto full = generate(*model_, {{1, 2, 3}}, settings)[0];
  EXPECT_EQ(full.ids.size(), 13u) << "the context is 16";
  EXPECT_FALSE(full.ended);
  settings.stop_tokens = {-1, full.ids[4]};
  auto cut = generate(*model_, {{1, 2, 3}}, settings)[0];
  EXPECT_TRUE(cut.ended);
  EXPECT_LE(cut.ids.size(), 5u);
  EXPECT_EQ(cut.ids.back(), full.ids[4]);
}

TEST_P(Generate, SaysHowManyTokensItRead) {
  GenerationSettings settings;
  settings.tokens = 4;
  GenerationSpeed speed;
  generate(*model_, {{1, 2, 3}, {5}}, settings, {}, &speed);
  EXPECT_EQ(speed.prompt_tokens, 4);
  EXPECT_EQ(speed.decoded_tokens, 6) << "the first of each follows from its prompt";
}

TEST_P(Generate, RefusesWhatTheModelCanNotRead) {
  EXPECT_THROW(generate(*model_, {{}}, {}), Error);
  EXPECT_THROW(generate(*model_, {{64}}, {}), Error);
  EXPECT_THROW(generate(*model_, {{-1}}, {}), Error);
  EXPECT_THROW(generate(*model_, {std::vector<int32_t>(16, 1)}, {}), Error);
}

// Models in the types that have kernels of their own.
struct NarrowCase {
  const char* file;
  at::ScalarType type;
};

class GenerateNarrow : public testing::TestWithParam<NarrowCase> {
 protected:
  void SetUp() override {
    auto file = golden::load(GetParam().file);
    model_ = std::make_unique<Transformer>(golden::model_settings(file["model"]), NumericsSettings::none,
                                           Precision{at::kFloat, GetParam().type}, at::kCPU);
    golden::set_weights(*model_, file["parameters"]);
    exact_ = std::make_unique<Transformer>(golden::model_settings(file["model"]), NumericsSettings::none,
                                           Precision{at::kFloat, at::kFloat}, at::kCPU);
    golden::set_weights(*exact_, file["parameters"]);
    at::NoGradGuard no_gradient;
    for (const auto& parameter : exact_->parameters())
      parameter->master.copy_(parameter->master.to(GetParam().type));
  }
  std::unique_ptr<Transformer> model_;
  std::unique_ptr<Transformer> exact_;  // the same weights in fp32
};

TEST_P(GenerateNarrow, LogProbabilitiesAreNearThoseOfTheTrainingForwardPass) {
  GenerationSettings settings;
  settings.tokens = 9;
  settings.seed = 5;
  std::vector<std::vector<int32_t>> prompts{{1, 11, 35}, {9, 2, 60, 7, 30, 5}, {4}};
  auto completions = generate(*model_, prompts, settings);
  for (size_t row = 0; row < prompts.size(); ++row) {
    std::vector<int64_t> all(prompts[row].begin(), prompts[row].end());
    all.insert(all.end(), completions[row].ids.begin(), completions[row].ids.end());
    at::Tensor ids = at::tensor(all, at::kLong).unsqueeze(0);
    int64_t length = ids.size(1) - 1;
    at::NoGradGuard no_gradient;
    at::Tensor hidden =
        exact_->forward(ids.narrow(1, 0, length), at::arange(length, at::kLong).unsqueeze(0), {});
    at::Tensor expected =
        target_log_probabilities(hidden[0], exact_->output_weight(), ids[0].narrow(0, 1, length), 4);
    // fp32 adds in another order; bf16 rounds what passes between the layers to 8 bits.
    double tolerance = GetParam().type == at::kBFloat16 ? 2e-2 : 1e-5;
    for (size_t i = 0; i < completions[row].ids.size(); ++i) {
      auto exact = expected[static_cast<int64_t>(prompts[row].size() + i) - 1].item<double>();
      EXPECT_NEAR(completions[row].log_probabilities[i], exact, tolerance * std::max(1.0, std::abs(exact)));
    }
  }
}

TEST_P(GenerateNarrow, ARowsBitsDoNotDependOnTheOthers) {
  GenerationSettings settings;
  settings.tokens = 7;
  settings.sampling.temperature = 0;
  std::vector<std::vector<int32_t>> prompts{{1, 2, 3, 4, 5}, {7, 8}, {9}, {3, 60, 2, 1, 1, 8, 5}};
  for (int32_t i = 0; i < 15; ++i) prompts.push_back({i, 5, 2 * i});
  auto together = generate(*model_, prompts, settings);
  for (size_t row = 0; row < prompts.size(); row += 3) {
    auto alone = generate(*model_, {prompts[row]}, settings)[0];
    EXPECT_EQ(together[row].ids, alone.ids);
    EXPECT_EQ(together[row].log_probabilities, alone.log_probabilities);
  }
}

TEST_P(GenerateNarrow, ARowsBitsDoNotDependOnTheScheduling) {
  auto prompts = mixed_prompts();
  auto together = generate(*model_, prompts, mixed_lengths(11));
  for (int64_t rows : {1, 2, 3, 5}) {
    auto completions = generate(*model_, prompts, mixed_lengths(rows));
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(completions[i].ids, together[i].ids) << rows << " rows, prompt " << i;
      EXPECT_EQ(completions[i].log_probabilities, together[i].log_probabilities);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GenerateNarrow,
                         testing::Values(NarrowCase{"llama_qk_norm.json", at::kFloat},
                                         NarrowCase{"llama_qk_norm.json", at::kBFloat16},
                                         NarrowCase{"gpt2.json", at::kFloat},
                                         NarrowCase{"gpt2.json", at::kBFloat16}),
                         [](const auto& named) {
                           std::string name = named.param.file;
                           return name.substr(0, name.find('.')) + at::toString(named.param.type);
                         });

INSTANTIATE_TEST_SUITE_P(Models, Generate,
                         testing::Values("llama.json", "llama_qk_norm.json", "llama3.json", "mistral.json",
                                         "qwen2.json", "qwen3.json", "gpt2.json"),
                         [](const auto& named) {
                           std::string name = named.param;
                           return name.substr(0, name.find('.'));
                         });

}  // namespace
}  // namespace sextant::trainer::generate_test
