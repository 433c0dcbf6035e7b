#include "trainer/evaluation/local_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "parallel/base/error.h"
#include "trainer/evaluation/generation_match.h"
#include "trainer/evaluation/multiple_choice.h"
#include "trainer/generation/generate.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

// What each option's score and record are.
std::vector<OptionScore> option_scores(const EvalItem& item, const TextsOfItem& texts,
                                       const std::vector<TextScore>& scores) {
  std::vector<OptionScore> all;
  for (size_t i = 0; i < texts.size(); ++i) {
    const ScoredText& text = texts[i];
    const EvalOption& option = item.options[i];
    auto end = text.ids.begin() + static_cast<int64_t>(text.first);
    ordered_json seen;
    if (i == 0 || option.context != item.options[0].context) {
      seen["context"] = option.context;
      seen["context_ids"] = std::vector<int32_t>(text.ids.begin(), end);
    }
    seen["continuation"] = option.continuation;
    seen["ids"] = std::vector<int32_t>(end, text.ids.end());
    seen["characters"] = characters_in(option.text);
    seen["log_likelihood"] = scores[i].sum();
    seen["greedy"] = scores[i].greedy;
    if (text.truncated) seen["truncated"] = true;
    all.push_back({scores[i].sum(), scores[i].greedy, std::move(seen)});
  }
  return all;
}

}  // namespace

LocalModel::LocalModel(Passes& passes, TextForm form, std::vector<int32_t> stop_tokens,
                       const data::ChatTemplate* chat)
    : passes_(passes),
      form_(std::move(form)),
      stop_tokens_(std::move(stop_tokens)),
      special_(form_.tokenizer.special_tokens()),
      chat_(chat) {
  if (chat_ != nullptr) stop_tokens_.push_back(chat_->end_of_turn());
}

// Ids as text, special tokens and rows that pad the embedding aside.
std::string LocalModel::said_text(std::vector<int32_t> ids) const {
  std::erase_if(ids, [&](int32_t id) {
    return id >= form_.tokenizer.vocabulary() || std::binary_search(special_.begin(), special_.end(), id);
  });
  return form_.tokenizer.decode(ids);
}

// What the model reads, with room for the answer.
std::vector<int32_t> LocalModel::prompt_of(const Question& question, int64_t tokens,
                                           Answered& answered) const {
  std::vector<int32_t> ids;
  if (!question.messages.empty()) {
    expect(chat_ != nullptr, "a chat template for questions with messages");
    ids = chat_->prompt(question.messages);  // NOLINT(clang-analyzer-core.CallAndMessage): expect() throws
  } else {
    ids = form_.opening;
    form_.tokenizer.encode(question.text, ids);
  }
  if (ids.empty()) fail_input(fmt::format("{}: the prompt is empty", question.origin));
  int64_t room = form_.context - tokens;
  if (room < 1) {
    fail_input(fmt::format("{}: tokens={} leave no room for a prompt in the model's context of {}",
                           question.origin, tokens, form_.context));
  }
  bool truncated = std::ssize(ids) > room;
  if (truncated) ids.erase(ids.begin(), ids.end() - room);
  answered.given = {{"prompt", form_.tokenizer.decode(ids)}, {"prompt_ids", ids}};
  if (truncated) answered.given["truncated"] = true;
  return ids;
}

std::vector<Answered> LocalModel::write(const std::vector<Question>& questions, const WritingRules& rules) {
  GenerationSettings how;
  how.sampling.temperature = rules.temperature;
  how.sampling.top_p = rules.top_p;
  how.tokens = rules.tokens;
  how.seed = rules.seed;
  how.stop_tokens = stop_tokens_;
  if (!rules.stop.empty()) {
    how.stop_when = [&](const std::vector<int32_t>& ids) {
      std::string text = said_text(ids);
      return before_stop(text, rules.stop).size() < text.size();
    };
  }
  std::vector<Answered> all(questions.size());
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < questions.size(); ++i) {
    std::vector<int32_t> ids = prompt_of(questions[i], rules.tokens, all[i]);
    for (int64_t sample = 0; sample < rules.samples; ++sample) {
      prompts.push_back(ids);
      how.numbers.push_back(static_cast<uint64_t>(questions[i].index * rules.samples + sample));
    }
  }
  std::vector<Completion> completions = generate(passes_, prompts, how);
  for (size_t i = 0; i < completions.size(); ++i) {
    const Completion& completion = completions[i];
    std::string text = before_stop(said_text(completion.ids), rules.stop);
    all[i / static_cast<size_t>(rules.samples)].answers.push_back(
        {text, {{"ids", completion.ids}, {"completion", text}, {"ended", completion.ended}}});
  }
  return all;
}

std::vector<std::vector<OptionScore>> LocalModel::score(const std::vector<const EvalItem*>& items) {
  std::vector<TextsOfItem> texts;
  texts.reserve(items.size());
  for (const EvalItem* item : items) {
    texts.emplace_back();
    for (const EvalOption& option : item->options)
      texts.back().push_back(scored_pair(form_, option.context, option.continuation, option.kept_bytes));
  }
  auto scores = score_items(passes_, texts, prefix_);
  std::vector<std::vector<OptionScore>> all;
  all.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) all.push_back(option_scores(*items[i], texts[i], scores[i]));
  return all;
}

DocumentScore LocalModel::read(const std::string& text, int64_t stride) {
  DocumentScore score;
  std::vector<TextsOfItem> windows;
  for (ScoredText& window : rolling_windows(form_, text, stride)) {
    score.tokens += static_cast<int64_t>(window.measured());
    windows.push_back({std::move(window)});
  }
  for (const auto& window : score_items(passes_, windows, prefix_)) score.log_likelihood += window[0].sum();
  return score;
}

}  // namespace sextant::trainer
