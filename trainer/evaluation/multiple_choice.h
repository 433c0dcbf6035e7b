#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sextant::trainer {

// What a model's log-likelihoods of an item's options say.
struct ChoiceGrade {
  int64_t answer = 0;                 // the likeliest option, the first of equals
  int64_t normalised_answer = 0;      // the likeliest by its character
  double acc = 0, acc_norm = 0;       // 1 where that is a right one
  double mc2 = 0;                     // share of the right options in the options' probability
  std::vector<double> probabilities;  // of the options: softmax over their log-likelihoods
};

// As lm-evaluation-harness defines them: acc_norm divides each log-likelihood by the number of characters of
// the option without its delimiter; mc2 is TruthfulQA's (Lin et al. 2022). `gold` holds one or more indexes.
ChoiceGrade grade_choice(const std::vector<double>& log_likelihoods, const std::vector<int64_t>& characters,
                         const std::vector<int64_t>& gold);

// Unicode characters; a byte that is no UTF-8 is one.
int64_t characters_in(std::string_view text);

}  // namespace sextant::trainer
