#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/chat/conversation.h"
#include "data/tokenizer/tokenizer.h"
#include "trainer/config/complaint.h"
#include "trainer/evaluation/eval.pb.h"

namespace sextant::trainer {

// A text and what may follow it.
struct EvalOption {
  std::string context;       // description, examples and question
  std::string continuation;  // whose likelihood is measured, with its delimiter
  std::string text;          // the option itself: its characters are acc_norm's length
  size_t kept_bytes = 0;     // of the context: description and examples that other items have, too
};

// One item of a task, ready for a model.
struct EvalItem {
  int64_t index = 0;   // in the task, from 0
  std::string origin;  // where it was read: "FILE:LINE"
  std::string group, cluster;
  std::string prompt;               // of perplexity the document; of options that stand in the question, ""
  std::vector<EvalOption> options;  // of multiple_choice two or more, of log_likelihood one
  std::vector<int64_t> gold;        // the right ones among them
  std::vector<std::string> ideals;  // of generation: right answers
  std::vector<std::string> around_completion;  // of programs and judges: texts between which it is put
  data::Conversation messages;  // of generation in a chat: what was said; else empty, and prompt is given
};

// What is made of a completion: it stands between each two of the item's texts around it.
std::string put_around(const std::vector<std::string>& texts, const std::string& completion);

// Where a program's completion stands in its template.
inline constexpr std::string_view kCompletionField = "{{completion}}";

// What is wrong with an evaluation's settings across their fields, and with templates and patterns.
std::vector<Complaint> eval_complaints(const EvalRun& run);

// Reads a task's data and puts it into words. Throws Error(kInput) naming file, line and field of what is
// missing or out of range. `tokenizer` may be null where no task reads shards. Items are a function of the
// settings and the files alone.
std::vector<EvalItem> read_items(const EvalTask& task, const EvalSettings& settings,
                                 const data::Tokenizer* tokenizer);

}  // namespace sextant::trainer
