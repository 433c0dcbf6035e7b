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

void tell_choice(const std::vector<OptionScore>& scores, const EvalItem& item, ordered_json& record) {
  std::vector<double> log_likelihoods;
  std::vector<int64_t> characters;
  log_likelihoods.reserve(scores.size());
  characters.reserve(item.options.size());
  for (const OptionScore& score : scores) log_likelihoods.push_back(score.log_likelihood);
  for (const EvalOption& option : item.options) characters.push_back(characters_in(option.text));
  ChoiceGrade grade = grade_choice(log_likelihoods, characters, item.gold);
  record["probabilities"] = grade.probabilities;
  record["answer"] = grade.answer;
  record["answer_norm"] = grade.normalised_answer;
  record["gold"] = item.gold;
  record["grade"] = {{"acc", grade.acc}, {"acc_norm", grade.acc_norm}};
  if (item.gold.size() > 1) record["grade"]["mc2"] = grade.mc2;
}

void tell_target(const OptionScore& score, ordered_json& record) {
  record["grade"] = {{"acc", score.greedy ? 1 : 0}, {"log_likelihood", score.log_likelihood}};
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

void measure_document(EvalModel& model, const EvalTask& task, const EvalItem& item, ordered_json& record) {
  DocumentScore score = model.read(item.prompt, task.stride());
  constexpr size_t kShown = 200;
  record["text"] = item.prompt.substr(0, kShown);
  record["grade"] = {{"log_likelihood", score.log_likelihood},
                     {"tokens", score.tokens},
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

// Scores of all items' options. Where that fails the items are tried one by one, to say which it is.
std::vector<std::vector<OptionScore>> scores_of(EvalModel& model, const EvalTask& task,
                                                const std::vector<const EvalItem*>& items) {
  try {
    return model.score(items);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInput) throw;
    for (const EvalItem* item : items) at_item(task, *item, [&] { model.score({item}); });
    throw;
  }
}

void measure_options(EvalModel& model, const EvalTask& task, const std::vector<const EvalItem*>& items,
                     std::vector<ordered_json>& records) {
  auto scores = scores_of(model, task, items);
  for (size_t i = 0; i < items.size(); ++i) {
    records[i]["options"] = ordered_json::array();
    for (OptionScore& score : scores[i]) records[i]["options"].push_back(std::move(score.seen));
    if (task.kind() == EvalTask::multiple_choice) tell_choice(scores[i], *items[i], records[i]);
    if (task.kind() == EvalTask::log_likelihood) tell_target(scores[i][0], records[i]);
  }
}

}  // namespace

std::vector<ordered_json> measure_items(EvalModel& model, EvalModel& judge, const EvalSettings& settings,
                                        const EvalTask& task, const std::vector<const EvalItem*>& items) {
  std::vector<ordered_json> records;
  records.reserve(items.size());
  for (const EvalItem* item : items) records.push_back(record_beginning(task, *item));
  if (task.kind() == EvalTask::generation) {
    measure_generation(model, judge, settings, task, items, records);
    return records;
  }
  if (task.kind() == EvalTask::perplexity) {
    for (size_t i = 0; i < items.size(); ++i)
      at_item(task, *items[i], [&] { measure_document(model, task, *items[i], records[i]); });
    return records;
  }
  measure_options(model, task, items, records);
  return records;
}

}  // namespace sextant::trainer
