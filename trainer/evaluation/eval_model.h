#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/chat/conversation.h"
#include "trainer/evaluation/task.h"

namespace sextant::trainer {

// What a model is asked.
struct Question {
  std::string text;             // given as it stands, where there are no messages
  data::Conversation messages;  // what was said; the model answers
  int64_t index = 0;            // numbers the draws
  std::string origin;           // for messages of errors
};

// How it may answer.
struct WritingRules {
  int64_t tokens = 256;           // of the longest answer
  std::vector<std::string> stop;  // texts that end an answer and are left out
  double temperature = 0;         // 0: greedy
  double top_p = 1;
  int64_t samples = 1;  // answers a question
  uint64_t seed = 0;    // draw j of sample s is a function of (seed, index * samples + s, j)
};

struct Answer {
  std::string text;
  nlohmann::ordered_json seen;  // what records say of it: "completion", "ended" and what else is known
};

// The answers to one question.
struct Answered {
  nlohmann::ordered_json given;  // what records say of the question: "prompt" and what else is known
  std::vector<Answer> answers;
};

// How likely an option's continuation is after its context.
struct OptionScore {
  double log_likelihood = 0;    // nats
  bool greedy = true;           // each token is the likeliest where it stands
  nlohmann::ordered_json seen;  // what records say of it
};

struct DocumentScore {
  double log_likelihood = 0;  // nats
  int64_t tokens = 0;
};

// A model that answers: the one under test, or a judge. What it says of a question or item is a function of
// that alone, as far as the model itself allows. All ranks that hold it must call, with equal arguments, and
// get the same. Throws Error(kInput) for what can not be given to this model.
class EvalModel {
 public:
  EvalModel() = default;
  EvalModel(const EvalModel&) = delete;
  EvalModel& operator=(const EvalModel&) = delete;
  virtual ~EvalModel() = default;

  virtual std::vector<Answered> write(const std::vector<Question>& questions, const WritingRules& rules) = 0;
  // Of each item, of each of its options.
  virtual std::vector<std::vector<OptionScore>> score(const std::vector<const EvalItem*>& items) = 0;
  // A whole text, `stride` tokens a window (0: as long as the windows are).
  virtual DocumentScore read(const std::string& text, int64_t stride) = 0;
};

}  // namespace sextant::trainer
