#include "rlhf/startup_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

using trainer::NumericsSettings;

// bf16 keeps 8 bits: log-probabilities of two shapes of one product differ in the last of them.
double tolerance(NumericsSettings::Compute compute, double exact) {
  return compute == NumericsSettings::bf16 ? 0.1 : exact;
}

// How far sampling and training are apart: at the furthest token, or in bf16 on average. There single tokens
// are no measure: thirty blocks of activations in 8 bits move some tokens by 0.4 nats in a program that is
// right.
double sampling_gap(const std::vector<Episode>& episodes, NumericsSettings::Compute compute) {
  double furthest = 0, sum = 0, tokens = 0;
  for (const Episode& episode : episodes) {
    furthest = std::max(furthest, episode.sampling_gap());
    sum += episode.mean_sampling_gap() * episode.response_size();
    tokens += episode.response_size();
  }
  return compute == NumericsSettings::bf16 ? sum / std::max(tokens, 1.0) : furthest;
}

}  // namespace

void check_template(const data::ChatTemplate& form) {
  data::Conversation asked{{data::Role::kUser, "What is this?"}};
  data::Conversation answered = asked;
  answered.push_back({data::Role::kAssistant, "A test."});
  std::vector<int32_t> apart = form.prompt(asked), answer = form.answer("A test.");
  apart.insert(apart.end(), answer.begin(), answer.end());
  std::vector<int32_t> whole = form.render(answered).ids;
  bool begins = whole.size() >= apart.size() && std::equal(apart.begin(), apart.end(), whole.begin());
  require(begins,
          "start-up check: a prompt and its answer are not the conversation that supervised fine-tuning "
          "would see, so "
          "that the policy is asked in another form than it learnt; set chat.template");
}

std::vector<std::string> check_first_episodes(const std::vector<Episode>& episodes,
                                              NumericsSettings::Compute compute, double temperature) {
  double kl = 0, mean = 0, spread = 0;
  auto count = static_cast<double>(episodes.size());
  bool ended = false;
  for (const Episode& episode : episodes) {
    for (int t = 0; t < episode.response_size(); ++t)
      kl = std::max(kl, std::abs(episode.log_probabilities(t) - episode.reference_log_probabilities(t)));
    mean += episode.score() / count;
    ended = ended || episode.ended();
  }
  for (const Episode& episode : episodes) spread = std::max(spread, std::abs(episode.score() - mean));
  if (kl > tolerance(compute, 1e-5)) {
    fail_input(fmt::format(
        "start-up check: policy and reference differ by {:.3g} nats at a token before the first "
        "update, so they are not the same model; is run.start_from the checkpoint that the run began "
        "with?",
        kl));
  }
  // Sampling gives log-probabilities at temperature 1 alone.
  double gap = sampling_gap(episodes, compute);
  if (temperature == 1 && gap > tolerance(compute, 1e-3)) {
    fail_input(fmt::format(
        "start-up check: the log-probabilities of sampling and of training differ by {:.3g} nats {}; the "
        "answers are not drawn from the policy that is trained",
        gap, compute == NumericsSettings::bf16 ? "a token on average" : "at a token"));
  }
  std::vector<std::string> told;
  if (!ended) {
    told.push_back(
        fmt::format("start-up check: none of {} answers came to its end; raise ppo.response_tokens, or "
                    "fine-tune with the same chat.template first",
                    episodes.size()));
  }
  require(
      spread > 0 || episodes.size() < 2,
      fmt::format(
          "start-up check: all {} answers of the first step have the score {:.3g}, and nothing can be learnt "
          "from equal scores; change the rubric, or give rewards.model",
          episodes.size(), mean));
  return told;
}

void check_first_update(const UpdateSums& sums, NumericsSettings::Compute compute) {
  if (!(sums.furthest <= tolerance(compute, 1e-5))) {
    fail_input(
        fmt::format("start-up check: a probability ratio is {:.3g} away from 1 before the first update; the "
                    "policy's forward pass gives other numbers each time",
                    sums.furthest));
  }
}

std::vector<std::string> check_groups(double equal_groups) {
  if (equal_groups < 1) return {};
  return {
      "start-up check: the answers to each prompt all have the same score, so that this step teaches "
      "nothing; "
      "raise ppo.answers_per_prompt or ppo.temperature, or reward by degrees"};
}

std::vector<std::string> check_first_values(double value_loss, double return_square) {
  // Values of size 1 are what a new head gives.
  double sane = 100 * (return_square + 1);
  if (std::isfinite(value_loss) && value_loss <= sane) return {};
  return {fmt::format(
      "start-up check: the value model's first loss is {:.3g} for returns of mean square {:.3g}; is "
      "rewards.model of the same scale as the rewards?",
      value_loss, return_square)};
}

}  // namespace sextant::rlhf
