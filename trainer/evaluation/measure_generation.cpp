#include "trainer/evaluation/measure_generation.h"

#include <fmt/format.h>

#include "trainer/evaluation/generation_match.h"
#include "trainer/evaluation/model_graded.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

Question question_of(const EvalTask& task, const EvalItem& item) {
  return {item.prompt, item.messages, item.index, fmt::format("{}: task {}", item.origin, task.name())};
}

WritingRules rules_of(const EvalTask& task, const EvalSettings& settings) {
  WritingRules rules;
  rules.tokens = task.tokens();
  rules.stop.assign(task.stop().begin(), task.stop().end());
  rules.temperature = task.temperature();
  rules.top_p = task.top_p();
  rules.samples = task.samples();
  rules.seed = settings.seed();
  return rules;
}

// What run_programs makes grades of.
void write_programs(const CompletionGrader& grader, const EvalItem& item, std::vector<Answer>& answers,
                    ordered_json& record) {
  record["samples"] = ordered_json::array();
  for (Answer& answer : answers) {
    answer.seen["program"] = put_around(item.around_completion, grader.code(answer.text));
    record["samples"].push_back(std::move(answer.seen));
  }
}

void grade_by_match(const CompletionGrader& grader, const EvalItem& item, const Answer& answer,
                    ordered_json& record) {
  record.update(answer.seen);
  for (const auto& [metric, found] : grader.answers(answer.text)) record["answers"][metric] = found;
  record["ideals"] = item.ideals;
  record["grade"] = ordered_json::object();
  for (const auto& [metric, value] : grader.grade(answer.text, item.ideals)) record["grade"][metric] = value;
}

// The judge reads all completions and says what it finds; greedily, as OpenAI Evals asks it.
void grade_by_judge(EvalModel& judge, const EvalTask& task, const std::vector<const EvalItem*>& items,
                    const std::vector<Answered>& answered, std::vector<ordered_json>& records) {
  JudgeSpec spec = load_judge_spec(task.judge(), task.samples());
  WritingRules rules;
  rules.tokens = task.judge().tokens();
  std::vector<Question> questions;
  for (size_t i = 0; i < items.size(); ++i) {
    Question question = question_of(task, *items[i]);
    question.origin += ", the judge";
    std::vector<std::string> answers;
    for (const Answer& answer : answered[i].answers) answers.push_back(answer.text);
    std::string text = put_around(items[i]->around_completion, judged_text(spec, answers));
    question.messages = {{data::Role::kUser, std::move(text)}};
    questions.push_back(std::move(question));
  }
  std::vector<Answered> said = judge.write(questions, rules);
  for (size_t i = 0; i < items.size(); ++i) {
    if (task.samples() > 1) {
      for (const Answer& answer : answered[i].answers) records[i]["samples"].push_back(answer.seen);
    } else {
      records[i].update(answered[i].answers[0].seen);
    }
    std::string choice = choice_in(spec, said[i].answers[0].text);
    ordered_json& judged = records[i]["judge"] = std::move(said[i].given);
    judged.update(said[i].answers[0].seen);
    judged["choice"] = choice;
    for (const auto& [metric, value] : judge_grades(spec, choice)) records[i]["grade"][metric] = value;
  }
}

}  // namespace

void measure_generation(EvalModel& model, EvalModel& judge, const EvalSettings& settings,
                        const EvalTask& task, const std::vector<const EvalItem*>& items,
                        std::vector<ordered_json>& records) {
  std::vector<Question> questions;
  questions.reserve(items.size());
  for (const EvalItem* item : items) questions.push_back(question_of(task, *item));
  std::vector<Answered> answered = model.write(questions, rules_of(task, settings));
  for (size_t i = 0; i < items.size(); ++i) records[i].update(answered[i].given);
  if (task.grading() == EvalTask::model_graded) return grade_by_judge(judge, task, items, answered, records);
  CompletionGrader grader(task);
  for (size_t i = 0; i < items.size(); ++i) {
    if (task.grading() == EvalTask::execution) {
      write_programs(grader, *items[i], answered[i].answers, records[i]);
    } else {
      grade_by_match(grader, *items[i], answered[i].answers[0], records[i]);
    }
  }
}

}  // namespace sextant::trainer
