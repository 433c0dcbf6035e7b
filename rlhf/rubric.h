#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rlhf/experience.pb.h"
#include "rlhf/judge.h"
#include "rlhf/rubric.pb.h"
#include "rlhf/rules.h"

namespace sextant::rlhf {

// The reward of one question from the probabilities of its options, and which option is the most probable.
struct Judged {
  double reward = 0;
  size_t option = 0;
  bool sure = true;
};
Judged judged(const Question& question, const std::vector<double>& probabilities);

// Probabilities of options over their priors, the sum being 1 again: what an answer adds to the judge's
// leaning towards a letter (batch calibration, Zhou et al. 2023, arXiv 2309.17249).
std::vector<double> calibrated(std::vector<double> probabilities, const std::vector<double>& priors);

// A rubric that is ready to score answers: GPT-4's rule-based reward (its report's appendix) and propositions
// (Mu et al. 2024), beside rules that need no model. One thread at a time; no collectives.
class RubricScorer {
 public:
  // `file` names the rubric in messages. Throws Error(kInput): equal names, options that are not single
  // tokens of the judge, a prior of some options of a question and not of others, questions without a judge,
  // no source at all.
  RubricScorer(const Rubric& rubric, const std::string& file, at::Device device);

  // Adds to each episode a score for each source that applies to its class. What an episode gets does not
  // depend on the others, to the bit; many at once are faster.
  void score(std::span<Episode> episodes) const;
  // Names of all sources, in the file's order.
  std::vector<std::string> sources() const;
  const Rubric& rubric() const { return rubric_; }

 private:
  Rubric rubric_;
  std::vector<RuleTest> rules_;
  std::unique_ptr<Judge> judge_;
  std::vector<std::vector<int32_t>> letters_;  // of each question
  std::vector<int32_t> yes_no_;

  // Questions and propositions, in this order, that apply to an episode.
  std::vector<LetteredQuestion> questions_about(const Episode& episode) const;
  void add_rules(Episode& episode) const;
  void add_answers(const std::vector<LetterProbabilities>& answers, Episode& episode) const;
};

}  // namespace sextant::rlhf
