#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sextant::rlhf {

// A language model that chooses between lettered options, without being trained to: the softmax over the
// letters' tokens where its answer would begin, in one forward pass (GPT-4's rule-based reward models). Whole
// on this rank; no collectives.
class Judge {
 public:
  // A run, a step's folder or what `sextant checkpoint import` made, with its own tokenizer and chat
  // template. Throws Error(kInput).
  Judge(const std::filesystem::path& checkpoint, at::Device device);
  ~Judge();

  // The token that an answer of this letter (or word) is. Throws Error(kInput) where it is not one token.
  int32_t token_of(const std::string& letter) const;
  // The probability of each letter as the answer to a question, among the letters. None where the question is
  // longer than the judge's context.
  std::optional<std::vector<double>> choose(const std::string& question,
                                            const std::vector<int32_t>& letters) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::rlhf
