#include <fmt/format.h>

#include <set>
#include <utility>

#include "data/text_pattern.h"
#include "parallel/base/error.h"
#include "trainer/evaluation/exam.h"
#include "trainer/evaluation/task.h"
#include "trainer/evaluation/text_template.h"

namespace sextant::trainer {
namespace {

// The complaints of one task.
class TaskRules {
 public:
  TaskRules(const EvalTask& task, std::string key, std::vector<Complaint>& complaints)
      : task_(task), key_(std::move(key)), complaints_(complaints) {}

  void check() {
    texts();
    if (task_.has_data() == task_.has_shards())
      complain("", "a task has either data or shards; give one of them");
    switch (task_.kind()) {
      case EvalTask::multiple_choice:
        return choice();
      case EvalTask::log_likelihood:
        if (task_.target().empty()) complain("target", "log_likelihood needs a target");
        return;
      case EvalTask::perplexity:
        if (task_.prompt().empty()) complain("prompt", "perplexity needs the document, such as '{{text}}'");
        if (task_.shots().count() > 0)
          complain("shots.count", "perplexity takes no examples; leave them out");
        return;
      case EvalTask::generation:
        return generation();
    }
  }

 private:
  const EvalTask& task_;
  std::string key_;
  std::vector<Complaint>& complaints_;

  void complain(const std::string& field, std::string what) {
    complaints_.push_back({field.empty() ? key_ : join_key(key_, field), std::move(what)});
  }

  template <class Work>
  void attempt(const std::string& field, const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      complain(field, error.what());
    }
  }

  // Templates and patterns that can not be read.
  void texts() {
    for (const char* name :
         {"description", "prompt", "gold", "continuation", "target", "group", "cluster", "program"}) {
      const auto* field = EvalTask::descriptor()->FindFieldByName(name);
      attempt(name, [&] { TextTemplate(task_.GetReflection()->GetString(task_, field)); });
    }
    for (int i = 0; i < task_.choices_size(); ++i)
      attempt(fmt::format("choices.{}", i), [&] { TextTemplate text(task_.choices(i)); });
    for (int i = 0; i < task_.clean_size(); ++i)
      attempt(fmt::format("clean.{}.pattern", i),
              [&] { data::TextPattern pattern(task_.clean(i).pattern()); });
    for (int i = 0; i < task_.ignore_size(); ++i)
      attempt(fmt::format("ignore.{}", i), [&] { data::TextPattern pattern(task_.ignore(i)); });
    for (int i = 0; i < task_.answers_size(); ++i)
      attempt(fmt::format("answers.{}.pattern", i),
              [&] { data::TextPattern pattern(task_.answers(i).pattern()); });
  }

  void choice() {
    if ((task_.choices_size() > 0) == task_.has_choices_field())
      complain("choices", "multiple_choice needs either choices or choices_field");
    if (task_.choices_size() == 1) complain("choices", "a choice needs two options or more");
    if (task_.has_gold() && task_.has_right_field())
      complain("gold", "gold and right_field say the same; give one of them");
    if (!task_.has_gold() && !task_.has_right_field() && !task_.has_choices_field())
      complain("gold", "multiple_choice needs gold or right_field");
    if (task_.has_continuation() && !task_.prompt().empty())
      complain("prompt", "where options stand in the question's place (continuation), there is no prompt");
  }

  void generation() {
    if (task_.grading() == EvalTask::execution) {
      program();
    } else if (task_.grading() == EvalTask::model_graded) {
      if (!task_.judge().has_spec())
        complain("judge.spec", "grading: model_graded needs a specification; give judge.spec");
      if (task_.has_program() || task_.pass_at_size() > 0)
        complain("grading", "program and pass_at belong to grading: execution");
      several_samples();
    } else {
      if (task_.target().empty() == !task_.has_ideals_field())
        complain("target", "generation needs either target or ideals_field");
      if (task_.has_judge()) complain("judge", "this belongs to grading: model_graded");
      if (task_.has_program() || task_.has_samples() || task_.pass_at_size() > 0)
        complain("grading",
                 "program and pass_at belong to grading: execution, samples to it and to model_graded");
    }
    if (task_.prompt().empty() == !task_.has_messages_field())
      complain("prompt", "generation needs either prompt or messages_field");
    if (task_.has_messages_field() && (task_.shots().count() > 0 || task_.chat()))
      complain("messages_field", "messages stand alone; leave out shots and chat");
    std::set<std::string> names;
    for (const AnswerPattern& answer : task_.answers()) {
      if (!names.insert(answer.name()).second)
        complain("answers",
                 fmt::format("two answers are called '{}'; give each a name of its own", answer.name()));
    }
    bool read = task_.grading() == EvalTask::exact_match || task_.grading() == EvalTask::execution;
    if (task_.answers_size() > 0 && !read)
      complain("answers", "answers belong to grading: exact_match and execution");
  }

  void several_samples() {
    if (task_.samples() > 1 && task_.temperature() <= 0)
      complain("samples", "all greedy completions are equal; give a temperature, or samples: 1");
  }

  void program() {
    size_t place = task_.program().find(kCompletionField);
    if (place == std::string::npos || task_.program().find(kCompletionField, place + 1) != std::string::npos)
      complain("program", "grading: execution needs a program with {{completion}} in it, once");
    if (task_.has_ideals_field())
      complain("ideals_field", "programs are graded by running them; leave it out");
    if (task_.answers_size() > 1) complain("answers", "a program is read in one way; give one pattern");
    several_samples();
    for (int64_t k : task_.pass_at()) {
      if (k > task_.samples())
        complain("pass_at", fmt::format("pass@{} needs {} samples, and there are {}", k, k, task_.samples()));
    }
  }
};

void check_endpoint(const Endpoint& endpoint, const std::string& key, const parallel::MeshSettings& mesh,
                    std::vector<Complaint>& complaints) {
  if (!endpoint.url().starts_with("http://") && !endpoint.url().starts_with("https://"))
    complaints.push_back({key + ".url", "an endpoint's address begins with http:// or https://"});
  if (!endpoint.has_model()) complaints.push_back({key + ".model", "give what the server calls the model"});
  if (mesh.tensor() > 1 || mesh.pipeline() > 1)
    complaints.push_back({"parallel", "ranks do not share a served model; leave tensor and pipeline at 1"});
}

void check_models(const EvalRun& run, std::vector<Complaint>& complaints) {
  const EvalSettings& settings = run.eval();
  const Endpoint& endpoint = settings.endpoint();
  if (settings.has_checkpoint() == endpoint.has_url())
    complaints.push_back(
        {"eval.checkpoint", "an evaluation is of a checkpoint or of endpoint.url; give one of them"});
  const JudgeModel& judge = settings.judge();
  if (judge.has_checkpoint() && judge.has_endpoint())
    complaints.push_back({"eval.judge", "a judge is a checkpoint or an endpoint; give one of them"});
  if (judge.has_endpoint())
    check_endpoint(judge.endpoint(), "eval.judge.endpoint", run.parallel(), complaints);
  if (!endpoint.has_url()) return;
  check_endpoint(endpoint, "eval.endpoint", run.parallel(), complaints);
  for (int i = 0; i < settings.tasks_size(); ++i) {
    std::string key = fmt::format("eval.tasks.{}", i);
    if (settings.tasks(i).has_shards())
      complaints.push_back({key + ".shards", "shards are read with a checkpoint's tokenizer; give data"});
    if (settings.tasks(i).stride() > 0)
      complaints.push_back({key + ".stride", "an endpoint reads a document as a whole; leave it out"});
  }
}

}  // namespace

std::vector<Complaint> eval_complaints(const EvalRun& run) {
  const EvalSettings& settings = run.eval();
  std::vector<Complaint> complaints;
  for (const char* axis : {"context", "expert"}) {
    const auto* field = run.parallel().GetDescriptor()->FindFieldByName(axis);
    if (run.parallel().GetReflection()->GetInt32(run.parallel(), field) > 1) {
      complaints.push_back(
          {fmt::format("parallel.{}", axis),
           fmt::format("texts of an evaluation are not shared out so; set parallel.{}=1", axis)});
    }
  }
  if (run.parallel().zero_stage() > 0)
    complaints.push_back({"parallel.zero_stage", "nothing is trained here; set parallel.zero_stage=0"});
  check_models(run, complaints);
  for (Complaint& one : exam_complaints(settings)) complaints.push_back(std::move(one));
  if (settings.tasks_size() == 0) complaints.push_back({"eval.tasks", "there is no task; give one or more"});
  std::set<std::string> names;
  for (int i = 0; i < settings.tasks_size(); ++i) {
    std::string key = fmt::format("eval.tasks.{}", i);
    const EvalTask& task = settings.tasks(i);
    if (!names.insert(task.name()).second)
      complaints.push_back({key + ".name", fmt::format("two tasks are called '{}'", task.name())});
    TaskRules(task, key, complaints).check();
  }
  return complaints;
}

}  // namespace sextant::trainer
