#include "trainer/evaluation/shared_prefix_scores.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"
#include "tests/harness/golden_model.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::trainer::shared_prefix_scores_test {
namespace {

std::unique_ptr<Transformer> golden_transformer(const char* name, at::ScalarType type, ModelPart part = {}) {
  auto file = golden::load(name);
  auto model = std::make_unique<Transformer>(golden::model_settings(file["model"]), NumericsSettings::none,
                                             Precision{type, type}, at::kCPU, std::move(part));
  golden::set_weights(*model, file["parameters"]);
  return model;
}

// Texts that begin alike, differ from the first id on, are measured inside of what they share, or are one id
// apart.
std::vector<TextsOfItem> some_texts() {
  return {{{{1, 11, 35, 9, 4}, 3, false}, {{1, 11, 35, 7}, 3, false}, {{1, 11, 35, 9, 6, 2, 8}, 3, false}},
          {{{1, 11, 35, 9, 4}, 3, false}, {{1, 11, 35, 7, 8}, 3, false}},
          {{{5, 2, 7}, 1, false}, {{6, 2, 7, 9}, 2, false}},
          {{{1, 2, 3, 4, 5, 6, 7}, 1, false}},
          {{{1, 2, 3, 4, 5}, 2, false}, {{1, 2, 3, 4, 6}, 4, false}, {{1, 2}, 1, false}}};
}

std::vector<double> plainly(const Transformer& model, const ScoredText& text) {
  at::NoGradGuard no_gradient;
  std::vector<int64_t> all(text.ids.begin(), text.ids.end());
  at::Tensor ids = at::tensor(all, at::kLong).unsqueeze(0);
  int64_t length = ids.size(1) - 1;
  at::Tensor hidden = model.forward(ids.narrow(1, 0, length), at::arange(length, at::kLong).unsqueeze(0), {});
  at::Tensor scores =
      target_log_probabilities(hidden[0], model.output_weight(), ids[0].narrow(0, 1, length), 4)
          .to(at::kDouble)
          .contiguous();
  return {scores.data_ptr<double>() + text.first - 1, scores.data_ptr<double>() + length};
}

std::vector<std::vector<TextScore>> score(Passes& passes, const std::vector<TextsOfItem>& items) {
  KeptPrefix nothing;
  return score_items(passes, items, nothing);
}

void expect_same_bits(const std::vector<TextScore>& some, const std::vector<TextScore>& others) {
  ASSERT_EQ(some.size(), others.size());
  for (size_t i = 0; i < some.size(); ++i) {
    EXPECT_EQ(some[i].log_probabilities, others[i].log_probabilities) << "text " << i;
    EXPECT_EQ(some[i].greedy, others[i].greedy);
  }
}

class SharedPrefix : public testing::TestWithParam<const char*> {};

TEST_P(SharedPrefix, ScoresAreThoseOfTheTrainingForwardPass) {
  auto model = golden_transformer(GetParam(), at::kDouble);
  Passes passes(*model);
  for (const auto& texts : some_texts()) {
    auto scores = score(passes, {texts})[0];
    ASSERT_EQ(scores.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<double> expected = plainly(*model, texts[i]);
      ASSERT_EQ(scores[i].log_probabilities.size(), expected.size());
      for (size_t t = 0; t < expected.size(); ++t)
        EXPECT_NEAR(scores[i].log_probabilities[t], expected[t], 1e-12) << "text " << i << " id " << t;
    }
  }
}

TEST_P(SharedPrefix, GreedyIsWhatDecodingWouldSay) {
  auto model = golden_transformer(GetParam(), at::kDouble);
  Passes passes(*model);
  std::vector<int32_t> ids{3, 9};
  for (int i = 0; i < 4; ++i) {
    int32_t best = 0;
    double most = -1e9;
    for (int32_t id = 0; id < model->settings().vocabulary(); ++id) {
      std::vector<int32_t> next = ids;
      next.push_back(id);
      double found = score(passes, {{{next, ids.size(), false}}})[0][0].sum();
      if (found > most) {
        most = found;
        best = id;
      }
    }
    ids.push_back(best);
  }
  EXPECT_TRUE(score(passes, {{{ids, 2, false}}})[0][0].greedy);
  ids.back() = (ids.back() + 1) % static_cast<int32_t>(model->settings().vocabulary());
  EXPECT_FALSE(score(passes, {{{ids, 2, false}}})[0][0].greedy);
}

// Two items with the same 16 ids in front, and one with others, whose ends differ.
std::vector<TextsOfItem> texts_with_kept_fronts(int32_t vocabulary) {
  std::vector<TextsOfItem> items;
  for (int32_t item = 0; item < 3; ++item) {
    std::vector<int32_t> front;
    for (int32_t i = 0; i < 20; ++i) front.push_back((3 + 7 * i + (item == 2 ? 1 : 0)) % vocabulary);
    std::vector<ScoredText> texts;
    for (int32_t option = 0; option < 3; ++option) {
      std::vector<int32_t> ids = front;
      for (int32_t i = 0; i <= option; ++i) ids.push_back((5 * item + 3 * option + i) % vocabulary);
      texts.push_back({ids, 19, false, 16});
    }
    items.push_back(texts);
  }
  return items;
}

std::unique_ptr<Transformer> longer_transformer(at::ScalarType type) {
  auto file = golden::load("llama.json");
  ModelSettings settings = golden::model_settings(file["model"]);
  settings.set_context(64);
  auto model =
      std::make_unique<Transformer>(settings, NumericsSettings::none, Precision{type, type}, at::kCPU);
  golden::set_weights(*model, file["parameters"]);
  return model;
}

TEST(KeptPrefixes, ScoresAreThoseOfTheTrainingForwardPass) {
  auto model = longer_transformer(at::kDouble);
  Passes passes(*model);
  KeptPrefix prefix;
  for (const auto& texts : texts_with_kept_fronts(64)) {
    auto scores = score_items(passes, {texts}, prefix)[0];
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<double> expected = plainly(*model, texts[i]);
      for (size_t t = 0; t < expected.size(); ++t)
        EXPECT_NEAR(scores[i].log_probabilities[t], expected[t], 1e-12) << "text " << i << " id " << t;
    }
    EXPECT_EQ(prefix.ids.size(), 16u);
  }
}

TEST(KeptPrefixes, WhatWasReadBeforeChangesNoBit) {
  auto model = longer_transformer(at::kFloat);
  Passes passes(*model);
  KeptPrefix prefix;
  auto items = texts_with_kept_fronts(64);
  for (size_t item : {0, 1, 2, 0, 2, 1}) {
    auto kept = score_items(passes, {items[item]}, prefix)[0];
    expect_same_bits(kept, score(passes, {items[item]})[0]);
  }
}

// Items of all lengths that a pass takes, some with what is kept, in the order of their places.
std::vector<TextsOfItem> many_items(int64_t count) {
  std::vector<TextsOfItem> items;
  for (int64_t item = 0; item < count; ++item) {
    std::vector<int32_t> front;
    for (int64_t i = 0; i < 1 + item * 7 % 45; ++i)
      front.push_back(static_cast<int32_t>((item / 4 + 11 * i) % 64));
    TextsOfItem texts;
    for (int64_t option = 0; option < 1 + item % 4; ++option) {
      std::vector<int32_t> ids = front;
      for (int64_t i = 0; i <= option + item % 5; ++i)
        ids.push_back(static_cast<int32_t>((5 * item + 3 * option + i) % 64));
      texts.push_back({ids, front.size(), false, item % 4 == 0 ? front.size() - 1 : 0});
    }
    items.push_back(texts);
  }
  return items;
}

class Company : public testing::TestWithParam<at::ScalarType> {};

TEST_P(Company, ChangesNoBit) {
  auto model = longer_transformer(GetParam());
  Passes passes(*model);
  auto items = many_items(90);  // some 2,900 tokens: several passes in fp32
  auto together = score(passes, items);
  std::vector<TextsOfItem> reversed(items.rbegin(), items.rend());
  auto backwards = score(passes, reversed);
  for (size_t i = 0; i < items.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same_bits(score(passes, {items[i]})[0], together[i]);
    expect_same_bits(backwards[items.size() - 1 - i], together[i]);
  }
}

TEST_P(Company, ScoresAreThoseOfTheTrainingForwardPass) {
  auto model = longer_transformer(GetParam()), exact = longer_transformer(at::kDouble);
  Passes passes(*model);
  auto items = many_items(30);
  auto together = score(passes, items);
  // bf16 against fp64: 8 bits a number through all layers.
  double tolerance = GetParam() == at::kBFloat16 ? 0.1 : 1e-5;
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t text = 0; text < items[i].size(); ++text) {
      std::vector<double> expected = plainly(*exact, items[i][text]);
      for (size_t t = 0; t < expected.size(); ++t)
        EXPECT_NEAR(together[i][text].log_probabilities[t], expected[t], tolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Company, testing::Values(at::kFloat, at::kBFloat16, at::kDouble));

TEST(Threads, ChangeNoBitInFp32) {
  auto model = longer_transformer(at::kFloat);
  Passes passes(*model);
  auto items = many_items(20);
  int threads = at::get_num_threads();
  at::set_num_threads(1);
  auto one = score(passes, items);
  at::set_num_threads(3);
  auto three = score(passes, items);
  at::set_num_threads(threads);
  for (size_t i = 0; i < items.size(); ++i) expect_same_bits(one[i], three[i]);
}

TEST(LongTexts, AreReadAlone) {
  auto file = golden::load("llama.json");
  ModelSettings settings = golden::model_settings(file["model"]);
  settings.set_context(700);
  Transformer model(settings, NumericsSettings::none, Precision{at::kFloat, at::kFloat}, at::kCPU);
  golden::set_weights(model, file["parameters"]);
  Passes passes(model);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 601; ++i) ids.push_back((7 * i + i / 3) % 64);
  std::vector<TextsOfItem> items = many_items(4);
  items.insert(items.begin() + 1, {{ids, 550, false}});
  auto scores = score(passes, items);
  std::vector<double> expected = plainly(model, items[1][0]);
  for (size_t t = 0; t < expected.size(); ++t)
    EXPECT_NEAR(scores[1][0].log_probabilities[t], expected[t], 1e-5);
  for (size_t i = 0; i < items.size(); ++i) expect_same_bits(score(passes, {items[i]})[0], scores[i]);
}

INSTANTIATE_TEST_SUITE_P(Models, SharedPrefix,
                         testing::Values("llama.json", "gpt2.json", "mistral.json", "mixtral.json"));

TEST(SharedPrefixRanks, SharedOutMatrixMultipliesGiveTheSame) {
  auto whole = golden_transformer("llama.json", at::kDouble);
  Passes alone(*whole);
  auto expected = score(alone, some_texts());
  parallel::run_ranks(2, [&](parallel::Group& world) {
    ModelPart part;
    part.tensor = &world;
    auto model = golden_transformer("llama.json", at::kDouble, part);
    Passes passes(*model);
    auto scores = score(passes, some_texts());
    for (size_t item = 0; item < expected.size(); ++item) {
      for (size_t i = 0; i < expected[item].size(); ++i)
        EXPECT_NEAR(scores[item][i].sum(), expected[item][i].sum(), 1e-10);
    }
  });
}

TEST(SharedPrefixRanks, CompanyChangesNoBit) {
  parallel::run_ranks(2, [&](parallel::Group& world) {
    ModelPart part;
    part.tensor = &world;
    auto model = golden_transformer("llama.json", at::kFloat, part);
    Passes passes(*model);
    auto items = some_texts();
    auto together = score(passes, items);
    for (size_t i = 0; i < items.size(); ++i) expect_same_bits(score(passes, {items[i]})[0], together[i]);
  });
}

TEST(SharedPrefixRefuses, IdsOutsideTheVocabulary) {
  auto model = golden_transformer("llama.json", at::kDouble);
  Passes passes(*model);
  EXPECT_THROW(score(passes, {{{{1, 100000}, 1, false}}}), Error);
}

}  // namespace
}  // namespace sextant::trainer::shared_prefix_scores_test
