#include "rlhf/rubric.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

std::string shown(const Episode& episode) {
  return fmt::format(
      "Here are a request and the answer that was given to it.\n\nRequest:\n{}\n\nAnswer:\n{}\n\n",
      episode.prompt_text(), episode.response_text());
}

std::string question_text(const Question& question, const Episode& episode) {
  std::string text = shown(episode) + question.text() + "\n";
  for (const Option& option : question.options())
    text += fmt::format("{}. {}\n", option.letter(), option.text());
  return text + "Reply with the letter alone.";
}

}  // namespace

Judged judged(const Question& question, const std::vector<double>& probabilities) {
  Judged result;
  result.option = static_cast<size_t>(std::max_element(probabilities.begin(), probabilities.end()) -
                                      probabilities.begin());
  result.sure = probabilities[result.option] >= question.unsure_below();
  if (!result.sure) {
    result.reward = question.unsure_reward();
  } else if (question.choice() == Question::hard) {
    result.reward = question.options(static_cast<int>(result.option)).reward();
  } else {
    for (size_t i = 0; i < probabilities.size(); ++i)
      result.reward += probabilities[i] * question.options(static_cast<int>(i)).reward();
  }
  return result;
}

std::vector<double> calibrated(std::vector<double> probabilities, const std::vector<double>& priors) {
  double sum = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) sum += probabilities[i] /= priors[i];
  for (double& one : probabilities) one /= sum;
  return probabilities;
}

RubricScorer::RubricScorer(const Rubric& rubric, const std::string& file, at::Device device)
    : rubric_(rubric) {
  std::set<std::string> names{"model", "missing_end"};
  for (const std::string& name : sources()) {
    require(names.insert(name).second,
            fmt::format("{}: two sources are called '{}'; give each a name of its own", file, name));
  }
  require(names.size() > 2,
          fmt::format("{}: has no source of reward; give rules, questions or propositions", file));
  for (const Rule& rule : rubric.rules()) rules_.emplace_back(rule);
  if (rubric.questions_size() + rubric.propositions_size() == 0) return;
  require(rubric.has_judge(),
          fmt::format("{}: questions and propositions need a judge; give the checkpoint of "
                      "one",
                      file));
  judge_ = std::make_unique<Judge>(rubric.judge(), device);
  for (const Question& question : rubric.questions()) {
    require(question.options_size() >= 2, fmt::format("{}: question {} has {} options; give two or more",
                                                      file, question.name(), question.options_size()));
    std::vector<int32_t> letters;
    for (const Option& option : question.options()) letters.push_back(judge_->token_of(option.letter()));
    require(std::set<int32_t>(letters.begin(), letters.end()).size() == letters.size(),
            fmt::format("{}: question {} has the same letter twice", file, question.name()));
    int64_t with_prior = std::count_if(question.options().begin(), question.options().end(),
                                       [](const Option& option) { return option.has_prior(); });
    require(with_prior == 0 || with_prior == question.options_size(),
            fmt::format("{}: question {} has a prior for {} of its {} options; give all of them one, or none",
                        file, question.name(), with_prior, question.options_size()));
    letters_.push_back(letters);
  }
  if (rubric.propositions_size() > 0) yes_no_ = {judge_->token_of("Yes"), judge_->token_of("No")};
}

std::vector<std::string> RubricScorer::sources() const {
  std::vector<std::string> names;
  for (const Rule& rule : rubric_.rules()) names.push_back(rule.name());
  for (const Question& question : rubric_.questions()) names.push_back(question.name());
  for (const Proposition& proposition : rubric_.propositions()) names.push_back(proposition.name());
  return names;
}

void RubricScorer::score(std::span<Episode> episodes) const {
  for (Episode& episode : episodes) add_rules(episode);
  if (judge_ == nullptr) return;
  std::vector<std::vector<LetteredQuestion>> about;
  for (const Episode& episode : episodes) about.push_back(questions_about(episode));
  auto answers = judge_->choose(about);
  for (size_t i = 0; i < episodes.size(); ++i) add_answers(answers[i], episodes[i]);
}

void RubricScorer::add_rules(Episode& episode) const {
  for (const RuleTest& test : rules_) {
    if (!applies(test.rule().classes(), episode.prompt_class())) continue;
    Episode::Score& score = *episode.add_scores();
    score.set_source(test.rule().name());
    score.set_value(test(episode));
  }
}

std::vector<LetteredQuestion> RubricScorer::questions_about(const Episode& episode) const {
  std::vector<LetteredQuestion> all;
  for (int i = 0; i < rubric_.questions_size(); ++i) {
    const Question& question = rubric_.questions(i);
    if (applies(question.classes(), episode.prompt_class()))
      all.push_back({question_text(question, episode), letters_[static_cast<size_t>(i)]});
  }
  for (const Proposition& proposition : rubric_.propositions()) {
    if (applies(proposition.classes(), episode.prompt_class()))
      all.push_back({shown(episode) + proposition.text() + "\nReply with Yes or No alone.", yes_no_});
  }
  return all;
}

void RubricScorer::add_answers(const std::vector<LetterProbabilities>& answers, Episode& episode) const {
  auto next = answers.begin();
  for (const Question& question : rubric_.questions()) {
    if (!applies(question.classes(), episode.prompt_class())) continue;
    Episode::Score& score = *episode.add_scores();
    score.set_source(question.name());
    const LetterProbabilities& letters = *next++;
    // What the judge can not read it is not sure of.
    score.set_value(question.unsure_reward());
    if (!letters) continue;
    std::vector<double> priors;
    for (const Option& option : question.options()) priors.push_back(option.prior());
    std::vector<double> probabilities = calibrated(*letters, priors);
    Judged choice = judged(question, probabilities);
    score.set_value(choice.reward);
    score.set_letter(question.options(static_cast<int>(choice.option)).letter());
    score.mutable_probabilities()->Assign(probabilities.begin(), probabilities.end());
  }
  for (const Proposition& proposition : rubric_.propositions()) {
    if (!applies(proposition.classes(), episode.prompt_class())) continue;
    Episode::Score& score = *episode.add_scores();
    score.set_source(proposition.name());
    const LetterProbabilities& letters = *next++;
    double yes = letters ? calibrated(*letters, {proposition.prior(), 1 - proposition.prior()})[0] : 0.0;
    score.set_value(yes * proposition.weight());
    if (letters) score.set_letter(yes >= 0.5 ? "Yes" : "No");
    score.add_probabilities(yes);
  }
}

}  // namespace sextant::rlhf
