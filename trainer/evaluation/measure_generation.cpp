#include "trainer/evaluation/measure_generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "parallel/base/error.h"
#include "trainer/evaluation/generation_match.h"
#include "trainer/generation/generate.h"

namespace sextant::trainer {
namespace {

// Ids as text, special tokens and rows that pad the embedding aside.
std::string said_text(const data::Tokenizer& tokenizer, const std::vector<int32_t>& special,
                      std::vector<int32_t> ids) {
  std::erase_if(ids, [&](int32_t id) {
    return id >= tokenizer.vocabulary() || std::binary_search(special.begin(), special.end(), id);
  });
  return tokenizer.decode(ids);
}

struct GenerationPrompt {
  std::vector<int32_t> ids;
  bool truncated = false;
};

// What the model reads, with room for the completion: where there is too much, ids at the front are left out
// as lm-evaluation-harness has it.
GenerationPrompt generation_prompt(const EvalModel& model, const EvalTask& task, const EvalItem& item) {
  GenerationPrompt prompt;
  if (!item.messages.empty()) {
    expect(model.chat != nullptr, "a chat template for tasks with messages");
    prompt.ids = model.chat->prompt(item.messages);
  } else {
    prompt.ids = model.form.opening;
    model.form.tokenizer.encode(item.prompt, prompt.ids);
  }
  if (prompt.ids.empty())
    fail_input(fmt::format("{}: task {}: the prompt is empty", item.origin, task.name()));
  int64_t room = model.form.context - task.tokens();
  if (room < 1) {
    fail_input(fmt::format("task {}: tokens={} leave no room for a prompt in the model's context of {}",
                           task.name(), task.tokens(), model.form.context));
  }
  if (std::ssize(prompt.ids) > room) {
    prompt.ids.erase(prompt.ids.begin(), prompt.ids.end() - room);
    prompt.truncated = true;
  }
  return prompt;
}

class Generating {
 public:
  Generating(const EvalModel& model, const EvalSettings& settings, const EvalTask& task)
      : model_(model),
        task_(task),
        grader_(task),
        stops_(task.stop().begin(), task.stop().end()),
        special_(model.form.tokenizer.special_tokens()) {
    how_.sampling.temperature = task.temperature();
    how_.sampling.top_p = task.top_p();
    how_.tokens = task.tokens();
    how_.seed = settings.seed();
    how_.stop_tokens = model.stop_tokens;
    if (model.chat != nullptr) how_.stop_tokens.push_back(model.chat->end_of_turn());
    if (stops_.empty()) return;
    how_.stop_when = [this](const std::vector<int32_t>& ids) {
      std::string text = said_text(model_.form.tokenizer, special_, ids);
      return before_stop(text, stops_).size() < text.size();
    };
  }

  // All samples of each item; their draws are their numbers'.
  std::vector<Completion> complete(const std::vector<std::vector<int32_t>>& prompts,
                                   const std::vector<const EvalItem*>& items) {
    how_.numbers.clear();
    std::vector<std::vector<int32_t>> all;
    for (size_t i = 0; i < items.size(); ++i) {
      for (int64_t sample = 0; sample < task_.samples(); ++sample) {
        all.push_back(prompts[i]);
        how_.numbers.push_back(static_cast<uint64_t>(items[i]->index * task_.samples() + sample));
      }
    }
    return generate(model_.passes, all, how_);
  }

  void grade(const Completion& completion, const EvalItem& item, nlohmann::ordered_json& record) const {
    std::string text = describe(completion, record);
    for (const auto& [metric, answer] : grader_.answers(text)) record["answers"][metric] = answer;
    record["ideals"] = item.ideals;
    record["grade"] = nlohmann::ordered_json::object();
    for (const auto& [metric, value] : grader_.grade(text, item.ideals)) record["grade"][metric] = value;
  }

  // What run_programs makes grades of.
  void write_programs(std::span<const Completion> completions, const EvalItem& item,
                      nlohmann::ordered_json& record) const {
    record["samples"] = nlohmann::ordered_json::array();
    for (const Completion& completion : completions) {
      nlohmann::ordered_json sample;
      std::string text = describe(completion, sample);
      sample["program"] = put_around(item.around_completion, grader_.code(text));
      record["samples"].push_back(std::move(sample));
    }
  }

 private:
  const EvalModel& model_;
  const EvalTask& task_;
  CompletionGrader grader_;
  std::vector<std::string> stops_;
  std::vector<int32_t> special_;
  GenerationSettings how_;

  // The completion's text.
  std::string describe(const Completion& completion, nlohmann::ordered_json& record) const {
    std::string text = before_stop(said_text(model_.form.tokenizer, special_, completion.ids), stops_);
    record["ids"] = completion.ids;
    record["completion"] = text;
    record["ended"] = completion.ended;
    return text;
  }
};

}  // namespace

void measure_generation(const EvalModel& model, const EvalSettings& settings, const EvalTask& task,
                        const std::vector<const EvalItem*>& items,
                        std::vector<nlohmann::ordered_json>& records) {
  Generating generating(model, settings, task);
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < items.size(); ++i) {
    GenerationPrompt prompt = generation_prompt(model, task, *items[i]);
    records[i]["prompt"] = model.form.tokenizer.decode(prompt.ids);
    records[i]["prompt_ids"] = prompt.ids;
    if (prompt.truncated) records[i]["truncated"] = true;
    prompts.push_back(std::move(prompt.ids));
  }
  std::vector<Completion> completions = generating.complete(prompts, items);
  auto samples = static_cast<size_t>(task.samples());
  for (size_t i = 0; i < items.size(); ++i) {
    if (task.grading() == EvalTask::execution) {
      generating.write_programs(std::span(completions).subspan(i * samples, samples), *items[i], records[i]);
    } else {
      generating.grade(completions[i], *items[i], records[i]);
    }
  }
}

}  // namespace sextant::trainer
