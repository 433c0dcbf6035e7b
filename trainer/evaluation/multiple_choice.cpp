#include "trainer/evaluation/multiple_choice.h"

#include <algorithm>
#include <cmath>

#include "data/tokenizer/utf8.h"

namespace sextant::trainer {
namespace {

int64_t largest(const std::vector<double>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

}  // namespace

ChoiceGrade grade_choice(const std::vector<double>& log_likelihoods, const std::vector<int64_t>& characters,
                         const std::vector<int64_t>& gold) {
  ChoiceGrade grade;
  std::vector<double> by_character;
  double most = *std::max_element(log_likelihoods.begin(), log_likelihoods.end()), sum = 0;
  for (size_t i = 0; i < log_likelihoods.size(); ++i) {
    by_character.push_back(log_likelihoods[i] / static_cast<double>(std::max<int64_t>(1, characters[i])));
    grade.probabilities.push_back(std::exp(log_likelihoods[i] - most));
    sum += grade.probabilities.back();
  }
  for (double& probability : grade.probabilities) probability /= sum;
  grade.answer = largest(log_likelihoods);
  grade.normalised_answer = largest(by_character);
  auto right = [&](int64_t option) { return std::find(gold.begin(), gold.end(), option) != gold.end(); };
  grade.acc = right(grade.answer) ? 1 : 0;
  grade.acc_norm = right(grade.normalised_answer) ? 1 : 0;
  for (int64_t option : gold) grade.mc2 += grade.probabilities[static_cast<size_t>(option)];
  return grade;
}

int64_t characters_in(std::string_view text) {
  int64_t characters = 0;
  for (size_t at = 0; at < text.size(); ++characters)
    at += std::max<size_t>(1, data::utf8_character(text, at).length);
  return characters;
}

}  // namespace sextant::trainer
