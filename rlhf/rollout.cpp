#include "rlhf/rollout.h"

#include <algorithm>

#include "data/permutation.h"
#include "parallel/base/seed.h"
#include "trainer/generation/generate.h"

namespace sextant::rlhf {

int64_t prompt_of(int64_t number, int64_t prompts, uint64_t run_seed) {
  RandomKey key(run_seed, "ppo prompts");
  return data::Permutation(prompts, key, static_cast<uint64_t>(number / prompts))(number % prompts);
}

std::vector<Episode> draw_episodes(trainer::Passes& policy, const PpoSettings& settings, uint64_t run_seed,
                                   const PromptSet& prompts, const data::ChatTemplate& form,
                                   const data::Tokenizer& tokenizer, const RolloutRange& range,
                                   parallel::Group* in_step) {
  std::vector<Episode> episodes(static_cast<size_t>(range.count));
  std::vector<std::vector<int32_t>> ids;
  trainer::GenerationSettings generation;
  auto all = static_cast<int64_t>(prompts.prompts.size());
  for (int64_t i = 0; i < range.count; ++i) {
    int64_t number = (range.step * settings.episodes() + range.first + i) / settings.answers_per_prompt();
    int64_t which = prompt_of(number, all, run_seed);
    const Prompt& prompt = prompts.prompts[static_cast<size_t>(which)];
    Episode& episode = episodes[static_cast<size_t>(i)];
    episode.set_number(range.first + i);
    episode.set_prompt_number(which);
    episode.set_prompt_class(prompt.kind);
    episode.set_prompt_text(prompt.text);
    episode.set_answer(prompt.answer);
    episode.mutable_prompt()->Assign(prompt.ids.begin(), prompt.ids.end());
    ids.push_back(prompt.ids);
    generation.numbers.push_back(static_cast<uint64_t>(range.first + i));
  }
  generation.sampling.temperature = settings.temperature();
  generation.tokens = settings.response_tokens();
  generation.seed = RandomKey(run_seed, "ppo rollout").bits(static_cast<uint64_t>(range.step), 0);
  generation.rows = settings.rows();
  generation.in_step = in_step;
  generation.stop_tokens = {form.end_of_turn()};
  auto completions = trainer::generate(policy, ids, generation);
  for (size_t i = 0; i < episodes.size(); ++i) {
    const trainer::Completion& made = completions[i];
    Episode& episode = episodes[i];
    episode.set_ended(made.ended);
    episode.mutable_response()->Assign(made.ids.begin(), made.ids.end());
    episode.mutable_log_probabilities()->Assign(made.log_probabilities.begin(), made.log_probabilities.end());
    std::vector<int32_t> said(made.ids.begin(), made.ids.end() - (made.ended ? 1 : 0));
    // Rows that pad the embedding to a round size stand for no text.
    std::erase_if(said, [&](int32_t id) { return id >= tokenizer.vocabulary(); });
    episode.set_response_text(tokenizer.decode(said));
  }
  return episodes;
}

}  // namespace sextant::rlhf
