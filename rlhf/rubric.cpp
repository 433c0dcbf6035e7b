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

void RubricScorer::score(Episode& episode) const {
  for (const RuleTest& test : rules_) {
    if (!applies(test.rule().classes(), episode.prompt_class())) continue;
    Episode::Score& score = *episode.add_scores();
    score.set_source(test.rule().name());
    score.set_value(test(episode));
  }
  for (int i = 0; i < rubric_.questions_size(); ++i) {
    const Question& question = rubric_.questions(i);
    if (applies(question.classes(), episode.prompt_class()))
      ask(question, letters_[static_cast<size_t>(i)], episode);
  }
  for (const Proposition& proposition : rubric_.propositions()) {
    if (applies(proposition.classes(), episode.prompt_class())) ask(proposition, episode);
  }
}

void RubricScorer::ask(const Question& question, const std::vector<int32_t>& letters,
                       Episode& episode) const {
  Episode::Score& score = *episode.add_scores();
  score.set_source(question.name());
  auto probabilities = judge_->choose(question_text(question, episode), letters);
  // What the judge can not read it is not sure of.
  if (!probabilities) return score.set_value(question.unsure_reward());
  Judged choice = judged(question, *probabilities);
  score.set_value(choice.reward);
  score.set_letter(question.options(static_cast<int>(choice.option)).letter());
  for (double probability : *probabilities) score.add_probabilities(probability);
}

void RubricScorer::ask(const Proposition& proposition, Episode& episode) const {
  Episode::Score& score = *episode.add_scores();
  score.set_source(proposition.name());
  auto probabilities =
      judge_->choose(shown(episode) + proposition.text() + "\nReply with Yes or No alone.", yes_no_);
  double yes = probabilities ? (*probabilities)[0] : 0.0;
  score.set_value(yes * proposition.weight());
  if (probabilities) score.set_letter(yes >= 0.5 ? "Yes" : "No");
  score.add_probabilities(yes);
}

}  // namespace sextant::rlhf
