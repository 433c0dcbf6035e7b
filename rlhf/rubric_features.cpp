#include "rlhf/rubric_features.h"

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::rlhf {

Rubric of_units(Rubric rubric) {
  for (Rule& rule : *rubric.mutable_rules()) {
    rule.set_reward(1);
    rule.set_otherwise(0);
  }
  for (Proposition& proposition : *rubric.mutable_propositions()) proposition.set_weight(1);
  return rubric;
}

RubricFeatures::RubricFeatures(const Rubric& rubric, const std::string& file, at::Device device)
    : rubric_(rubric), scorer_(std::make_unique<RubricScorer>(of_units(rubric), file, device)) {
  for (const Rule& rule : rubric.rules()) names_.push_back(rule.name());
  for (const Question& question : rubric.questions()) {
    for (const Option& option : question.options()) names_.push_back(question.name() + "." + option.letter());
  }
  for (const Proposition& proposition : rubric.propositions()) names_.push_back(proposition.name());
}

std::vector<double> RubricFeatures::worth() const {
  std::vector<double> found;
  for (const Rule& rule : rubric_.rules()) found.push_back(rule.reward() - rule.otherwise());
  for (const Question& question : rubric_.questions()) {
    for (const Option& option : question.options()) found.push_back(option.reward());
  }
  for (const Proposition& proposition : rubric_.propositions()) found.push_back(proposition.weight());
  return found;
}

std::vector<std::vector<double>> RubricFeatures::of(std::vector<Episode> episodes) const {
  for (Episode& episode : episodes) episode.clear_scores();
  scorer_->score(episodes);
  std::vector<std::vector<double>> all;
  for (const Episode& scored : episodes) all.push_back(features_of(scored));
  return all;
}

std::vector<double> RubricFeatures::features_of(const Episode& scored) const {
  std::vector<double> found(names_.size());
  for (const Episode::Score& score : scored.scores()) {
    auto place = [&](const std::string& name, double value) {
      auto at = std::find(names_.begin(), names_.end(), name);
      expect(at != names_.end(), "a source has its feature");
      found[static_cast<size_t>(at - names_.begin())] = value;
    };
    auto question = std::find_if(rubric_.questions().begin(), rubric_.questions().end(),
                                 [&](const Question& one) { return one.name() == score.source(); });
    if (question == rubric_.questions().end()) {
      place(score.source(), score.value());
      continue;
    }
    for (int i = 0; i < score.probabilities_size(); ++i)
      place(question->name() + "." + question->options(i).letter(), score.probabilities(i));
  }
  return found;
}

Rubric RubricFeatures::with(const std::vector<double>& weights) const {
  expect(weights.size() == names_.size(), "a weight for each feature");
  Rubric made = rubric_;
  auto next = weights.begin();
  for (Rule& rule : *made.mutable_rules()) {
    rule.set_reward(*next++);
    rule.set_otherwise(0);
  }
  for (Question& question : *made.mutable_questions()) {
    question.set_choice(Question::expected);
    for (Option& option : *question.mutable_options()) option.set_reward(*next++);
  }
  for (Proposition& proposition : *made.mutable_propositions()) proposition.set_weight(*next++);
  return made;
}

}  // namespace sextant::rlhf
