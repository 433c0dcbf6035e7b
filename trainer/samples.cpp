#include "trainer/samples.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "trainer/generation/generate.h"
#include "trainer/generation/stop_tokens.h"
#include "trainer/metrics/step_lines.h"

namespace sextant::trainer {
namespace {

std::filesystem::path repaired(const std::filesystem::path& path, Step resume_step) {
  repair_step_lines(path, resume_step.value());
  return path;
}

}  // namespace

std::vector<Sample> draw_samples(Passes& passes, const data::Tokenizer& tokenizer,
                                 const std::vector<std::string>& prompts, const PromptForm& form,
                                 int64_t tokens, uint64_t seed) {
  std::vector<std::vector<int32_t>> ids;
  auto longest = static_cast<size_t>(std::max<int64_t>(1, passes.model().settings().context() - tokens));
  for (const std::string& prompt : prompts) {
    std::vector<int32_t> encoded = form.ids ? form.ids(prompt) : tokenizer.encode(prompt);
    if (encoded.empty()) encoded.push_back(tokenizer.end_of_text().value_or(0));
    if (encoded.size() > longest)
      encoded.erase(encoded.begin(), encoded.end() - static_cast<std::ptrdiff_t>(longest));
    ids.push_back(std::move(encoded));
  }
  GenerationSettings settings;
  settings.sampling = {0.8, 40, 1.0};
  settings.tokens = tokens;
  settings.seed = seed;
  settings.stop_tokens = stop_tokens(tokenizer, "", "");
  if (form.end) settings.stop_tokens.push_back(*form.end);
  auto completions = generate(passes, ids, settings);
  std::vector<Sample> samples;
  for (size_t i = 0; i < prompts.size(); ++i) {
    auto& made = completions[i].ids;
    if (completions[i].ended) made.pop_back();
    // Rows that pad the embedding to a round size stand for no text.
    std::erase_if(made, [&](int32_t id) { return id >= tokenizer.vocabulary(); });
    samples.push_back({prompts[i], tokenizer.decode(made)});
  }
  return samples;
}

SamplesLog::SamplesLog(const std::filesystem::path& run_folder, Step resume_step)
    : file_(repaired(run_folder / "samples.jsonl", resume_step)) {}

void SamplesLog::write(Step step, const Sample& sample) {
  nlohmann::ordered_json line{{"step", step.value()}, {"prompt", sample.prompt}, {"text", sample.text}};
  // A token may end inside a character; JSON wants whole ones.
  file_.append(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace sextant::trainer
