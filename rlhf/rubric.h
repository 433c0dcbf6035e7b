#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
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

// A rubric that is ready to score answers: GPT-4's rule-based reward (its report's appendix) and propositions
// (Mu et al. 2024), beside rules that need no model. One thread at a time; no collectives.
class RubricScorer {
 public:
  // `file` names the rubric in messages. Throws Error(kInput): equal names, options that are not single
  // tokens of the judge, questions without a judge, no source at all.
  RubricScorer(const Rubric& rubric, const std::string& file, at::Device device);

  // Adds a score for each source that applies to the episode's class.
  void score(Episode& episode) const;
  // Names of all sources, in the file's order.
  std::vector<std::string> sources() const;
  const Rubric& rubric() const { return rubric_; }

 private:
  Rubric rubric_;
  std::vector<RuleTest> rules_;
  std::unique_ptr<Judge> judge_;
  std::vector<std::vector<int32_t>> letters_;  // of each question
  std::vector<int32_t> yes_no_;

  void ask(const Question& question, const std::vector<int32_t>& letters, Episode& episode) const;
  void ask(const Proposition& proposition, Episode& episode) const;
};

}  // namespace sextant::rlhf
