// Which answers a step draws: a function of its numbers alone.
#include "rlhf/rollout.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/data/byte_tokenizer.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"

namespace sextant::rlhf::rollout_test {
namespace {

constexpr int64_t kEpisodes = 12;

class Rollout : public testing::Test {
 protected:
  Rollout() : tokenizer_(data::byte_tokenizer()), form_(data::ChatSettings(), tokenizer_, "") {
    trainer::ModelSettings model;
    model.set_kind(trainer::ModelSettings::gpt2);
    model.set_layers(2);
    model.set_width(32);
    model.set_heads(4);
    model.set_context(40);
    model.set_initial_std(0.1);
    trainer::fill_model_defaults(model, 260);
    model_ = std::make_unique<trainer::Transformer>(model, trainer::NumericsSettings::none,
                                                    trainer::Precision{at::kFloat, at::kFloat}, at::kCPU);
    trainer::initialise(model_->parameters(), 4);
    make_ends_likely();
    settings_.set_episodes(kEpisodes);
    settings_.set_response_tokens(24);
    settings_.set_temperature(1.5);
    settings_.set_answers_per_prompt(3);
    for (int32_t i = 0; i < 5; ++i) {
      prompts_.prompts.emplace_back();
      for (int32_t t = 0; t <= 2 * i; ++t) prompts_.prompts.back().ids.push_back(97 + (3 * i + 5 * t) % 26);
    }
  }

  // A channel that is the same at each place, and that the end of turn listens to: answers of many lengths.
  void make_ends_likely() {
    at::NoGradGuard no_gradient;
    for (const auto& parameter : model_->parameters()) {
      if (parameter->name == "final_norm.bias") parameter->value[0].fill_(4);
      if (parameter->name == "embedding.weight") parameter->value[form_.end_of_turn()][0].fill_(1);
    }
  }

  std::vector<Episode> draw(int64_t rows, int64_t first, int64_t count) {
    settings_.set_rows(rows);
    trainer::Passes passes(*model_);
    return draw_episodes(passes, settings_, 9, prompts_, form_, tokenizer_, {4, first, count}, nullptr);
  }

  data::Tokenizer tokenizer_;
  data::ChatTemplate form_;
  std::unique_ptr<trainer::Transformer> model_;
  PpoSettings settings_;
  PromptSet prompts_;
};

void expect_same(const std::vector<Episode>& found, const std::vector<Episode>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_EQ(found[i].SerializeAsString(), wanted[i].SerializeAsString()) << i;
}

TEST_F(Rollout, DependsOnNoRowsAndNoSharesOfTheStep) {
  auto whole = draw(kEpisodes, 0, kEpisodes);
  std::set<int> lengths;
  for (const Episode& episode : whole) lengths.insert(episode.response_size());
  ASSERT_GE(lengths.size(), 4u);
  for (int64_t rows : {1, 2, 5, 32}) expect_same(draw(rows, 0, kEpisodes), whole);
  std::vector<Episode> shares;
  for (int64_t first = 0; first < kEpisodes; first += 4) {
    for (Episode& episode : draw(2, first, 4)) shares.push_back(std::move(episode));
  }
  expect_same(shares, whole);
}

TEST_F(Rollout, AnswersOfAPromptDiffer) {
  auto whole = draw(4, 0, kEpisodes);
  std::map<int64_t, int> answers;
  for (const Episode& episode : whole) ++answers[episode.prompt_number()];
  EXPECT_EQ(answers.size(), 4u);
  for (const auto& [prompt, count] : answers) EXPECT_EQ(count, 3) << prompt;
  EXPECT_NE(whole[0].response_text(), whole[1].response_text());
}

}  // namespace
}  // namespace sextant::rlhf::rollout_test
