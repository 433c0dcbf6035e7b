#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "rlhf/confusion.h"
#include "rlhf/labelled_answers.h"
#include "rlhf/rubric.h"
#include "rlhf/rubric_grade.pb.h"

namespace sextant::rlhf {

// How one source of a rubric did on labelled answers.
struct SourceGrade {
  std::string name;
  std::vector<std::string> classes;  // letters of a question; "yes" and "no" of a rule or proposition
  Confusion confusion;
  std::optional<double> area;              // under the ROC curve of P(yes), of propositions
  std::vector<double> mean_probabilities;  // that a judge gives each class, over all answers; yes alone
  int64_t unread = 0;  // answers that were longer than the judge's context: called nothing
};

// Throws Error(kInput): no answers, an option that the rubric has not, a condition on a label that no answer
// has, a letter that its question has not, no source that any answer has a label of.
void check_labels(const RubricGradeSettings& settings, const Rubric& rubric,
                  const std::vector<LabelledAnswer>& answers);

// Adds the scores of the rubric, which is one of_units(), to every answer; ranks share the work and each gets
// the whole. `told` is called on rank 0 now and then with how many of its own are done. All ranks of the
// world must call.
void score_labelled(const RubricScorer& scorer, std::vector<LabelledAnswer>& answers,
                    const std::function<void(int64_t done, int64_t of)>& told, parallel::Group& world);

// Sources in the rubric's order, those without a label in any answer left out. A label is the line's own
// under the source's name, else that of the first of settings.options whose conditions hold.
std::vector<SourceGrade> grade_sources(const RubricGradeSettings& settings, const Rubric& rubric,
                                       const std::vector<LabelledAnswer>& answers);

// A table for a terminal.
std::string grade_table(const std::vector<SourceGrade>& grades);

// An object a line: prompt, response, labels, scores.
std::string grade_lines(const std::vector<LabelledAnswer>& answers);

}  // namespace sextant::rlhf
