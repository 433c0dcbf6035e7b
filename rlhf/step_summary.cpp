#include "rlhf/step_summary.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

namespace sextant::rlhf {
namespace {

double mean_of(const google::protobuf::RepeatedField<double>& numbers) {
  double sum = 0;
  for (double x : numbers) sum += x;
  return numbers.empty() ? 0 : sum / numbers.size();
}

// Pearson's; 0 where either does not vary.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  auto count = static_cast<double>(a.size());
  double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    mean_a += a[i] / count;
    mean_b += b[i] / count;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
    ab += (a[i] - mean_a) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

}  // namespace

double divergence_of(const Episode& episode) {
  double kl = 0;
  for (int t = 0; t < episode.response_size(); ++t)
    kl += episode.log_probabilities(t) - episode.reference_log_probabilities(t);
  return kl;
}

trainer::Scalars episode_scalars(const std::vector<Episode>& episodes) {
  auto count = static_cast<double>(episodes.size());
  double kl = 0, ended = 0, surprise = 0, tokens = 0, reward = 0;
  std::vector<double> scores, lengths;
  std::vector<std::string> order;
  std::map<std::string, std::pair<double, double>> sources;  // sum, episodes
  for (const Episode& episode : episodes) {
    scores.push_back(episode.score());
    lengths.push_back(episode.response_size());
    reward += episode.score() / count;
    kl += divergence_of(episode) / count;
    ended += (episode.ended() ? 1 : 0) / count;
    tokens += episode.response_size();
    for (double x : episode.log_probabilities()) surprise -= x;
    for (const Episode::Score& score : episode.scores()) {
      if (!sources.contains(score.source())) order.push_back(score.source());
      sources[score.source()].first += score.value();
      sources[score.source()].second += 1;
    }
  }
  trainer::Scalars scalars{{"reward", reward},
                           {"kl", kl},
                           {"entropy", surprise / tokens},
                           {"response_length", tokens / count},
                           {"ended", ended},
                           {"length_correlation", correlation(scores, lengths)}};
  for (const std::string& source : order)
    scalars.emplace_back("reward_" + source, sources[source].first / sources[source].second);
  return scalars;
}

std::string episode_line(int64_t step, const Episode& episode) {
  nlohmann::ordered_json line{{"step", step},
                              {"prompt", episode.prompt_text()},
                              {"text", episode.response_text()},
                              {"class", episode.prompt_class()},
                              {"reward", episode.score()}};
  for (const Episode::Score& score : episode.scores()) {
    nlohmann::ordered_json one{{"value", score.value()}};
    if (score.has_letter()) one["letter"] = score.letter();
    if (score.probabilities_size() > 0)
      one["probabilities"] = std::vector<double>(score.probabilities().begin(), score.probabilities().end());
    line["sources"][score.source()] = one;
  }
  line["kl"] = divergence_of(episode);
  line["advantage"] = mean_of(episode.advantages());
  line["response_length"] = episode.response_size();
  line["ended"] = episode.ended();
  // A token may end inside a character; JSON wants whole ones.
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sextant::rlhf
