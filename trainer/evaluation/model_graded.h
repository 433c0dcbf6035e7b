#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "trainer/evaluation/eval.pb.h"
#include "trainer/evaluation/generation_match.h"
#include "trainer/evaluation/text_template.h"

namespace sextant::trainer {

// How a model grades answers: a model-graded specification of OpenAI's evals registry.
struct JudgeSpec {
  std::string file;                      // for messages
  std::string prompt;                    // Python's format: {field}, {{ for a brace
  std::vector<std::string> choices;      // what the judge may say
  std::map<std::string, double> scores;  // of each choice; empty where there are none
  // What the prompt calls a question and its answer. Of several pairs all answers but one stand in the item.
  struct Pair {
    std::string input = "input", output = "completion";
  };
  std::vector<Pair> pairs{{}};
  std::string sample_template;  // each of several answers to the question in it, one after the other; "": one
  int64_t completions = 1;      // answers to the question
  JudgedBy::EvalType type = JudgedBy::from_spec;
};

// Reads `judged.spec`, a file that holds one specification, or several by name of which one is called as the
// file is. Where the task names an eval_type, the words that OpenAI Evals ends such a prompt with are added.
// `completions` is how many answers to a question there are to be judged together. Throws Error(kInput)
// naming file and line of what is missing or is not understood here.
JudgeSpec load_judge_spec(const JudgedBy& judged, int64_t completions = 1);

// The judge's prompt for an item, around its completion: other fields are the object's, and `question` stands
// for the input where the object has none. Conversations become text as OpenAI Evals has it. Throws
// Error(kInput) naming the field that is missing, and where not exactly one answer is to be asked for.
std::vector<std::string> judge_prompt(const JudgeSpec& spec, const ItemObject& object,
                                      const std::string& question);

// What stands in the completion's place: the answer, or all of them in the specification's sample template.
std::string judged_text(const JudgeSpec& spec, const std::vector<std::string>& answers);

// The choice that the judge's words hold: the first line (of cot_classify the last) that, without ASCII
// punctuation, begins or ends with one. "__invalid__" where there is none.
std::string choice_in(const JudgeSpec& spec, const std::string& words);

// "score" where the specification has scores (an invalid choice has the lowest), "invalid", and
// "choice/NAME" for each: 1 for the one that was made.
Grades judge_grades(const JudgeSpec& spec, const std::string& choice);

}  // namespace sextant::trainer
