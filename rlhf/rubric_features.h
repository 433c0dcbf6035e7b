#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rlhf/rubric.h"

namespace sextant::rlhf {

// The rubric whose sources give their features: a rule 1 where it holds and 0 where not, a proposition
// P(yes).
Rubric of_units(Rubric rubric);

// A rubric as features of answers, of which its reward is the weighted sum: whether each rule holds, the
// probability of each option of each question, and of yes to each proposition.
class RubricFeatures {
 public:
  // `file` names the rubric in messages. Throws Error(kInput) as RubricScorer does.
  RubricFeatures(const Rubric& rubric, const std::string& file, at::Device device);

  // In the file's order; an option is called QUESTION.LETTER.
  const std::vector<std::string>& names() const { return names_; }
  // What each is worth in the rubric as it was given; a rule its reward less what it gives otherwise.
  std::vector<double> worth() const;
  // [F] of each episode's answer; 0 where a source does not apply to its class, or the judge can not read it.
  std::vector<std::vector<double>> of(std::vector<Episode> episodes) const;
  // The rubric with these weights as its rewards.
  Rubric with(const std::vector<double>& weights) const;

 private:
  Rubric rubric_;
  std::vector<std::string> names_;
  std::unique_ptr<RubricScorer> scorer_;

  std::vector<double> features_of(const Episode& scored) const;
};

}  // namespace sextant::rlhf
