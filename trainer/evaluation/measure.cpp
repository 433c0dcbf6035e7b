#include "trainer/evaluation/measure.h"

#include <fmt/format.h>

#include "parallel/base/error.h"
#include "trainer/evaluation/measure_generation.h"
#include "trainer/evaluation/multiple_choice.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

ordered_json record_beginning(const EvalTask& task, const EvalItem& item) {
  ordered_json record{{"task", task.name()}, {"index", item.index}, {"origin", item.origin}};
  if (!item.group.empty()) record["group"] = item.group;
  if (!item.cluster.empty()) record["cluster"] = item.cluster;
  return record;
}

// Log-likelihoods of the options, and what each of them was given.
std::vector<TextScore> score_options(const EvalModel& model, const EvalItem& item, KeptPrefix& prefix,
                                     ordered_json& record) {
  std::vector<ScoredText> texts;
  for (const EvalOption& option : item.options)
    texts.push_back(scored_pair(model.form, option.context, option.continuation, option.kept_bytes));
  std::vector<TextScore> scores = score_together(model.passes, texts, prefix);
  ordered_json options = ordered_json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    const ScoredText& text = texts[i];
    const EvalOption& option = item.options[i];
    std::vector<int32_t> prompt(text.ids.begin(), text.ids.begin() + static_cast<int64_t>(text.first));
    ordered_json one;
    if (i == 0 || option.context != item.options[0].context) {
      one["context"] = option.context;
      one["context_ids"] = prompt;
    }
    one["continuation"] = option.continuation;
    one["ids"] = std::vector<int32_t>(text.ids.begin() + static_cast<int64_t>(text.first), text.ids.end());
    one["characters"] = characters_in(option.text);
    one["log_likelihood"] = scores[i].sum();
    one["greedy"] = scores[i].greedy;
    if (text.truncated) one["truncated"] = true;
    options.push_back(std::move(one));
  }
  record["options"] = std::move(options);
  return scores;
}

void measure_choice(const EvalModel& model, const EvalItem& item, KeptPrefix& prefix, ordered_json& record) {
  std::vector<double> log_likelihoods;
  std::vector<int64_t> characters;
  for (const TextScore& score : score_options(model, item, prefix, record))
    log_likelihoods.push_back(score.sum());
  for (const EvalOption& option : item.options) characters.push_back(characters_in(option.text));
  ChoiceGrade grade = grade_choice(log_likelihoods, characters, item.gold);
  record["probabilities"] = grade.probabilities;
  record["answer"] = grade.answer;
  record["answer_norm"] = grade.normalised_answer;
  record["gold"] = item.gold;
  record["grade"] = {{"acc", grade.acc}, {"acc_norm", grade.acc_norm}};
  if (item.gold.size() > 1) record["grade"]["mc2"] = grade.mc2;
}

void measure_target(const EvalModel& model, const EvalItem& item, KeptPrefix& prefix, ordered_json& record) {
  TextScore score = score_options(model, item, prefix, record)[0];
  record["grade"] = {{"acc", score.greedy ? 1 : 0}, {"log_likelihood", score.sum()}};
}

// Runs of what is not white space, and one more at an end that is: as many pieces as Python's
// re.split(r"\s+") makes.
int64_t pieces_between_spaces(const std::string& text) {
  int64_t pieces = 1;
  bool space_before = false;
  for (char c : text) {
    bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (space && !space_before) ++pieces;
    space_before = space;
  }
  return pieces;
}

void measure_document(const EvalModel& model, const EvalTask& task, const EvalItem& item,
                      ordered_json& record) {
  double sum = 0;
  int64_t tokens = 0;
  for (const ScoredText& window : rolling_windows(model.form, item.prompt, task.stride())) {
    sum += score_together(model.passes, {window})[0].sum();
    tokens += static_cast<int64_t>(window.measured());
  }
  constexpr size_t kShown = 200;
  record["text"] = item.prompt.substr(0, kShown);
  record["grade"] = {{"log_likelihood", sum},
                     {"tokens", tokens},
                     {"words", pieces_between_spaces(item.prompt)},
                     {"bytes", item.prompt.size()}};
}

// Runs `work`; what it says is wrong is wrong with that item.
template <class Work>
void at_item(const EvalTask& task, const EvalItem& item, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInput) throw;
    fail_input(fmt::format("{}: task {}: {}", item.origin, task.name(), error.what()));
  }
}

}  // namespace

std::vector<ordered_json> measure_items(const EvalModel& model, const EvalSettings& settings,
                                        const EvalTask& task, const std::vector<const EvalItem*>& items,
                                        KeptPrefix& prefix) {
  std::vector<ordered_json> records;
  for (const EvalItem* item : items) records.push_back(record_beginning(task, *item));
  if (task.kind() == EvalTask::generation) {
    measure_generation(model, settings, task, items, records);
    return records;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const EvalItem& item = *items[i];
    at_item(task, item, [&] {
      if (task.kind() == EvalTask::multiple_choice) measure_choice(model, item, prefix, records[i]);
      if (task.kind() == EvalTask::log_likelihood) measure_target(model, item, prefix, records[i]);
      if (task.kind() == EvalTask::perplexity) measure_document(model, task, item, records[i]);
    });
  }
  return records;
}

}  // namespace sextant::trainer
