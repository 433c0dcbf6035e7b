#include "rlhf/safety_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "data/loader.h"
#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"
#include "rlhf/episode_exchange.h"
#include "rlhf/rules.h"
#include "trainer/evaluation.h"
#include "trainer/generation/generate.h"

namespace sextant::rlhf {
namespace {

constexpr int64_t kLogitsChunk = 1024;  // tokens whose logits stand in memory

Episode asked(const Prompt& prompt, int64_t prompt_number, int64_t number) {
  Episode episode;
  episode.set_number(number);
  episode.set_prompt_number(prompt_number);
  episode.set_prompt_class(prompt.kind);
  episode.set_prompt_text(prompt.text);
  episode.set_subject(prompt.subject.empty() ? prompt.text : prompt.subject);
  episode.set_answer(prompt.answer);
  episode.mutable_prompt()->Assign(prompt.ids.begin(), prompt.ids.end());
  return episode;
}

void answer(const SafetySettings& settings, const TalkingModel& model, std::vector<Episode>& episodes) {
  std::vector<std::vector<int32_t>> ids;
  trainer::GenerationSettings generation;
  for (const Episode& episode : episodes) {
    ids.emplace_back(episode.prompt().begin(), episode.prompt().end());
    generation.numbers.push_back(static_cast<uint64_t>(episode.number()));
  }
  generation.sampling.temperature = settings.temperature();
  generation.tokens = settings.response_tokens();
  generation.seed = RandomKey(settings.seed(), "safety answers").bits(0, 0);
  generation.rows = settings.batch();
  generation.stop_tokens = {model.form->end_of_turn()};
  auto completions = trainer::generate(*model.model, ids, generation);
  for (size_t i = 0; i < episodes.size(); ++i) {
    const trainer::Completion& made = completions[i];
    Episode& episode = episodes[i];
    episode.set_ended(made.ended);
    episode.mutable_response()->Assign(made.ids.begin(), made.ids.end());
    std::vector<int32_t> said(made.ids.begin(), made.ids.end() - (made.ended ? 1 : 0));
    // Rows that pad the embedding to a round size stand for no text.
    std::erase_if(said, [&](int32_t id) { return id >= model.tokenizer->vocabulary(); });
    episode.set_response_text(model.tokenizer->decode(said));
  }
}

}  // namespace

std::vector<trainer::Complaint> safety_complaints(const SafetyRun& run) {
  const SafetySettings& settings = run.safety();
  std::vector<trainer::Complaint> found;
  if (settings.models().empty())
    found.push_back({"safety.models", "nobody is asked; give one model, or one before and one after"});
  if (settings.measures().empty()) found.push_back({"safety.measures", "nothing is counted; give one"});
  if (settings.temperature() == 0 && settings.answers_per_prompt() > 1) {
    found.push_back({"safety.answers_per_prompt",
                     "greedy answers to one prompt are all the same; set it to 1, or raise "
                     "safety.temperature"});
  }
  if (settings.has_most_perplexity_rise() && settings.held_out().empty())
    found.push_back({"safety.most_perplexity_rise", "needs text to read; give safety.held_out"});
  std::set<std::string> names;
  for (const SafetyModel& model : settings.models()) {
    if (!names.insert(model.name()).second)
      found.push_back({"safety.models", fmt::format("two are called '{}'", model.name())});
  }
  names.clear();
  for (const SafetyMeasure& measure : settings.measures()) {
    if (!names.insert(measure.name()).second)
      found.push_back({"safety.measures", fmt::format("two are called '{}'", measure.name())});
    if (measure.least() > measure.most())
      found.push_back({"safety.measures", fmt::format("'{}' has least={} above most={}", measure.name(),
                                                      measure.least(), measure.most())});
  }
  return found;
}

void check_measures(const SafetySettings& settings, const std::vector<std::string>& sources,
                    const PromptSet& prompts) {
  for (const SafetyMeasure& measure : settings.measures()) {
    for (const std::string& source : measure.sources()) {
      if (std::find(sources.begin(), sources.end(), source) != sources.end()) continue;
      fail_input(fmt::format("safety.measures: '{}' counts by the source '{}', but {} has {}", measure.name(),
                             source, settings.rubric(), fmt::join(sources, ", ")));
    }
    bool any = std::any_of(prompts.prompts.begin(), prompts.prompts.end(),
                           [&](const Prompt& prompt) { return applies(measure.classes(), prompt.kind); });
    require(any, fmt::format("safety.measures: no prompt is of the classes of '{}'; is safety.split right?",
                             measure.name()));
  }
}

std::vector<Episode> answer_prompts(const SafetySettings& settings, const TalkingModel& model,
                                    const PromptSet& prompts, const RubricScorer& rubric,
                                    parallel::Group& world) {
  int64_t each = settings.answers_per_prompt(), all = std::ssize(prompts.prompts) * each;
  int64_t rank = world.rank().value(), ranks = world.size();
  std::vector<Episode> mine;
  for (int64_t number = all * rank / ranks; number < all * (rank + 1) / ranks; ++number)
    mine.push_back(asked(prompts.prompts[static_cast<size_t>(number / each)], number / each, number));
  parallel::together(world, [&] {
    answer(settings, model, mine);
    rubric.score(mine);
  });
  return gather_episodes(mine, world);
}

double held_out_loss_of(const SafetySettings& settings, const TalkingModel& model, int64_t context,
                        parallel::Group& world) {
  data::DataSettings shards;
  for (const std::string& prefix : settings.held_out()) shards.add_valid()->set_prefix(prefix);
  data::LoaderShape shape;
  shape.context = context;
  shape.global_batch = shape.micro_batch = 1;
  shape.vocabulary = model.tokenizer->vocabulary();
  std::optional<data::Loader> loader;
  parallel::together(world, [&] { loader.emplace(shards, shape, data::Split::kValid); });
  trainer::Passes passes(*model.model);
  int64_t rows = std::min(settings.held_out_rows(), loader->rows_per_epoch());
  return trainer::held_out_loss(passes, *loader, rows, trainer::next_token_loss(kLogitsChunk), world, world);
}

Counted counted(const SafetyMeasure& measure, const std::vector<Episode>& episodes) {
  Counted found;
  for (const Episode& episode : episodes) {
    if (!applies(measure.classes(), episode.prompt_class())) continue;
    bool counts = true;
    for (const std::string& source : measure.sources()) {
      const auto& scores = episode.scores();
      auto score = std::find_if(scores.begin(), scores.end(),
                                [&](const Episode::Score& one) { return one.source() == source; });
      require(
          score != scores.end(),
          fmt::format("safety.measures: '{}' counts by '{}', which does not grade the class '{}'; see its "
                      "classes in the rubric",
                      measure.name(), source, episode.prompt_class()));
      counts = counts && score->value() >= measure.from();
    }
    found.counts.push_back(counts ? 1 : 0);
    found.subjects.push_back(episode.subject());
  }
  return found;
}

}  // namespace sextant::rlhf
