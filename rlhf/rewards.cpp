#include "rlhf/rewards.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"
#include "rlhf/rules.h"

namespace sextant::rlhf {
namespace {

double capped(double value, double cap) {
  return cap > 0 ? std::clamp(value, -cap, cap) : value;
}

double add(Episode& episode, const char* source, double value) {
  Episode::Score& score = *episode.add_scores();
  score.set_source(source);
  score.set_value(value);
  return value;
}

}  // namespace

void compose_rewards(const RewardSources& reward, double rubric_cap, std::optional<double> model_score,
                     Episode& episode) {
  double rubric = 0;
  for (const Episode::Score& score : episode.scores()) rubric += score.value();
  double total = capped(rubric, rubric_cap);
  if (model_score && applies(reward.model_classes(), episode.prompt_class()))
    total += add(episode, "model", reward.model_weight() * capped(*model_score, reward.model_cap()));
  if (reward.missing_end_penalty() > 0)
    total += add(episode, "missing_end", episode.ended() ? 0 : -reward.missing_end_penalty());
  for (const Episode::Score& score : episode.scores()) {
    if (std::isfinite(score.value())) continue;
    throw Error(ErrorKind::kEnvironment,
                fmt::format("the reward source '{}' gave {} for an answer to '{}'; a source must be finite",
                            score.source(), score.value(), episode.prompt_text()));
  }
  episode.set_score(total);
}

}  // namespace sextant::rlhf
