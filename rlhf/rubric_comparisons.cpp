#include "rlhf/rubric_comparisons.h"

#include <fmt/format.h>

#include "data/chat/comparisons.h"
#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "rlhf/model_scores.h"

namespace sextant::rlhf {
namespace {

// An answer as a rubric reads it, and as ids where a model is to score it.
Episode episode_of(const data::Comparison& comparison, const data::Answer& answer,
                   const TalkingModel* model) {
  Episode episode;
  episode.set_prompt_text(comparison.prompt.back().content);
  episode.set_prompt_class(comparison.kind);
  episode.set_response_text(answer.text);
  episode.set_ended(true);
  if (model == nullptr) return episode;
  std::vector<int32_t> prompt = model->form->prompt(comparison.prompt),
                       said = model->form->answer(answer.text);
  episode.mutable_prompt()->Assign(prompt.begin(), prompt.end());
  episode.mutable_response()->Assign(said.begin(), said.end());
  auto length = static_cast<int64_t>(prompt.size() + said.size());
  require(
      length <= model->model->settings().context(),
      fmt::format("fit.model: {} reads {} tokens, but an answer to '{}' has {} with its prompt; leave such "
                  "comparisons out",
                  model->folder.string(), model->model->settings().context(), episode.prompt_text(), length));
  return episode;
}

// The features of one comparison's answers, one after the other, each with its base behind.
void append(const data::Comparison& comparison, const RubricFeatures& features, const TalkingModel* model,
            std::vector<double>& numbers) {
  std::optional<trainer::Passes> passes;
  if (model != nullptr) passes.emplace(*model->model);
  std::vector<Episode> episodes;
  for (const data::Answer& answer : comparison.answers)
    episodes.push_back(episode_of(comparison, answer, model));
  auto found = features.of(episodes);
  for (size_t i = 0; i < episodes.size(); ++i) {
    numbers.insert(numbers.end(), found[i].begin(), found[i].end());
    numbers.push_back(model == nullptr ? 0 : end_scores(*passes, {&episodes[i]}, {1, 1, 1.0})[0]);
  }
}

}  // namespace

ComparedFeatures compared_features(const std::vector<std::filesystem::path>& files,
                                   const data::ChatSettings& chat, const RubricFeatures& features,
                                   const TalkingModel* model, parallel::Group& world) {
  std::vector<data::Comparison> all;
  std::string bytes;
  parallel::together(world, [&] {
    for (const auto& file : files) {
      data::read_comparisons(file, chat.on_bad_line(),
                             [&](data::Comparison one) { all.push_back(std::move(one)); });
    }
    std::vector<double> numbers;
    int64_t count = std::ssize(all), rank = world.rank().value(), ranks = world.size();
    for (int64_t i = count * rank / ranks; i < count * (rank + 1) / ranks; ++i)
      append(all[static_cast<size_t>(i)], features, model, numbers);
    bytes.assign(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double));
  });
  std::string whole;
  for (const std::string& part : parallel::gather_bytes(world, bytes)) whole += part;
  std::vector<double> numbers(whole.size() / sizeof(double));
  std::copy(whole.begin(), whole.end(), reinterpret_cast<char*>(numbers.data()));
  ComparedFeatures found;
  auto next = numbers.begin();
  for (const data::Comparison& comparison : all) {
    auto& answers = found.emplace_back();
    for (const data::Answer& answer : comparison.answers) {
      auto end = next + std::ssize(features.names());
      answers.push_back({{next, end}, *end, answer.rank});
      next = end + 1;
    }
  }
  return found;
}

}  // namespace sextant::rlhf
