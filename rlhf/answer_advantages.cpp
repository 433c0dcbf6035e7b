#include "rlhf/answer_advantages.h"

#include <algorithm>
#include <numeric>

#include "parallel/base/error.h"
#include "rlhf/advantage.h"
#include "rlhf/divergence.h"
#include "rlhf/whitening.h"

namespace sextant::rlhf {
namespace {

// [R] what each token of an answer earns: less its divergence, and the answer's score at the last.
std::vector<double> token_rewards(const PpoSettings& settings, double kl_coefficient,
                                  const Episode& episode) {
  auto length = static_cast<size_t>(episode.response_size());
  expect(length > 0, "an answer has a token");
  std::vector<double> rewards(length);
  for (size_t t = 0; settings.kl().place() == KlSettings::reward && t < length; ++t) {
    auto i = static_cast<int>(t);
    rewards[t] =
        -kl_coefficient * divergence(settings.kl().estimator(),
                                     episode.log_probabilities(i) - episode.reference_log_probabilities(i));
  }
  rewards[length - 1] += episode.score();
  return rewards;
}

void add_generalised(const PpoSettings& settings, double kl_coefficient, std::vector<Episode>& episodes) {
  std::vector<double> advantages;
  for (Episode& episode : episodes) {
    std::vector<double> values(episode.values().begin(), episode.values().end());
    Advantages found = generalised_advantages(token_rewards(settings, kl_coefficient, episode), values,
                                              settings.gamma(), settings.lambda());
    episode.mutable_returns()->Assign(found.returns.begin(), found.returns.end());
    advantages.insert(advantages.end(), found.advantages.begin(), found.advantages.end());
  }
  if (settings.whiten_advantages()) whiten(advantages);
  auto next = advantages.begin();
  for (Episode& episode : episodes) {
    episode.mutable_advantages()->Assign(next, next + episode.response_size());
    next += episode.response_size();
  }
}

std::vector<double> among_group(const PpoSettings& settings, const std::vector<double>& scores) {
  int64_t group = settings.answers_per_prompt();
  switch (settings.advantages()) {
    case PpoSettings::group_mean:
      return group_mean_advantages(scores, group);
    case PpoSettings::leave_one_out:
      return leave_one_out_advantages(scores, group);
    case PpoSettings::group:
    case PpoSettings::generalised:
      break;
  }
  return group_relative_advantages(scores, group);
}

}  // namespace

void add_advantages(const PpoSettings& settings, double kl_coefficient, std::vector<Episode>& episodes) {
  if (settings.advantages() == PpoSettings::generalised)
    return add_generalised(settings, kl_coefficient, episodes);
  std::vector<double> scores;
  for (const Episode& episode : episodes) {
    std::vector<double> rewards = token_rewards(settings, kl_coefficient, episode);
    scores.push_back(std::accumulate(rewards.begin(), rewards.end(), 0.0));
  }
  std::vector<double> advantages = among_group(settings, scores);
  for (size_t i = 0; i < episodes.size(); ++i) {
    auto& each = *episodes[i].mutable_advantages();
    each.Clear();
    each.Resize(episodes[i].response_size(), advantages[i]);
  }
}

double equal_groups(const PpoSettings& settings, const std::vector<Episode>& episodes) {
  auto group = static_cast<size_t>(settings.answers_per_prompt());
  double equal = 0;
  for (size_t begin = 0; begin < episodes.size(); begin += group) {
    auto first = episodes.begin() + static_cast<std::ptrdiff_t>(begin);
    bool alike = std::all_of(first, first + static_cast<std::ptrdiff_t>(group),
                             [&](const Episode& other) { return other.score() == first->score(); });
    if (alike) equal += 1;
  }
  return equal * static_cast<double>(group) / static_cast<double>(episodes.size());
}

}  // namespace sextant::rlhf
