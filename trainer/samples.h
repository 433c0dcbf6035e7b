#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "parallel/base/number.h"
#include "trainer/metrics/append_file.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// A prompt and what the model makes of it.
struct Sample {
  std::string prompt;
  std::string text;
};

// How a prompt becomes ids.
struct PromptForm {
  // Nothing: the prompt's text as it is.
  std::function<std::vector<int32_t>(const std::string& prompt)> ids;
  // An id that ends what is drawn, beside the tokenizer's end of text.
  std::optional<int32_t> end;
};

// Continues each prompt by up to `tokens` tokens at temperature 0.8 within the 40 likeliest, drawn by (seed,
// prompt, position) alone, so that samples of different steps compare. Prompts too long for the context keep
// their end. All ranks that hold the model must call; all get the same.
std::vector<Sample> draw_samples(Passes& passes, const data::Tokenizer& tokenizer,
                                 const std::vector<std::string>& prompts, const PromptForm& form,
                                 int64_t tokens, uint64_t seed);

// RUN_FOLDER/samples.jsonl: {"step", "prompt", "text"} a line; rank 0 alone. Later steps than `resume_step`
// are removed when it is opened.
class SamplesLog {
 public:
  SamplesLog(const std::filesystem::path& run_folder, Step resume_step);
  void write(Step step, const Sample& sample);

 private:
  AppendFile file_;
};

}  // namespace sextant::trainer
