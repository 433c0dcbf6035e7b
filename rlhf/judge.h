#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sextant::rlhf {

// A question and the tokens of the letters that may answer it.
struct LetteredQuestion {
  std::string text;
  std::vector<int32_t> letters;
};

// The probability of each letter, among the letters. None where the question is longer than the judge's
// context.
using LetterProbabilities = std::optional<std::vector<double>>;

// A language model that chooses between lettered options, without being trained to: the softmax over the
// letters' tokens where its answer would begin, in one forward pass (GPT-4's rule-based reward models). Whole
// on this rank; no collectives. One thread at a time.
class Judge {
 public:
  // A run, a step's folder or what `sextant checkpoint import` made, with its own tokenizer and chat
  // template. Throws Error(kInput).
  Judge(const std::filesystem::path& checkpoint, at::Device device);
  ~Judge();

  // The token that an answer of this letter (or word) is. Throws Error(kInput) where it is not one token.
  int32_t token_of(const std::string& letter) const;
  // What is asked about each of several things, such as answers. What the questions about one thing begin
  // with is read once, and several things share a pass, which changes no bit of what is said of each
  // (trainer::score_items).
  std::vector<std::vector<LetterProbabilities>> choose(
      const std::vector<std::vector<LetteredQuestion>>& about) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::rlhf
