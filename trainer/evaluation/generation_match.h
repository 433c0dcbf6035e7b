#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/text_pattern.h"
#include "trainer/evaluation/eval.pb.h"

namespace sextant::trainer {

// Grades by name, each 0 or 1 (f1: between), in the order of results.
using Grades = std::vector<std::pair<std::string, double>>;

// What a completion is worth, as a task says. One thread at a time.
class CompletionGrader {
 public:
  // The task has no complaints (eval_complaints).
  explicit CompletionGrader(const EvalTask& task);

  // exact_match as lm-evaluation-harness has it (regex filter, take the first or last match, "[invalid]"
  // without one; then `ignore` and letter case); the others as OpenAI Evals has them: "accuracy", and
  // "f1_score" of fuzzy_match. `ideals` has one text at least. Throws Error(kInput) for an ideal of
  // json_match that is no JSON.
  Grades grade(const std::string& completion, const std::vector<std::string>& ideals) const;

  // The answers that are read in a completion, by the metric's name; of exact_match alone.
  std::vector<std::pair<std::string, std::string>> answers(const std::string& completion) const;

  // Of grading execution: what `answers` finds, else all of it.
  std::string code(const std::string& completion) const;

 private:
  const EvalTask& task_;
  std::vector<data::TextPattern> answers_, ignore_;

  std::string normalised(std::string text) const;
};

// OpenAI Evals' normalisation: ASCII lower case, without ASCII punctuation and the words a, an and the; words
// joined by one space each.
std::string fuzzy_text(const std::string& text);
// One of them stands in the other, once normalised; nothing matches nothing alone.
bool fuzzy_match(const std::string& a, const std::string& b);
// F1 of the words that both have, once normalised: the best over the ideals.
double fuzzy_f1(const std::string& completion, const std::vector<std::string>& ideals);
// Equal component by component; null equals nothing, and a key that one lacks is null.
bool json_match(const std::string& completion, const std::string& ideal);

// Without ASCII white space at both ends.
std::string stripped(const std::string& text);

// The text up to the first place where one of `stops` begins; all of it without one.
std::string before_stop(const std::string& text, const std::vector<std::string>& stops);

}  // namespace sextant::trainer
