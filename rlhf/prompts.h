#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"

namespace sextant::rlhf {

// What the policy is asked.
struct Prompt {
  std::vector<int32_t> ids;  // up to where the assistant begins to speak
  std::string text;          // what the last message says
  std::string kind;          // "class" of the line, or ""
  std::string answer;        // of the line, or ""
  std::string subject;       // of the line, or ""
};

// Where prompts come from.
struct PromptFiles {
  std::string section;  // of the run's file, whose `prompts` and `response_tokens` messages name
  std::vector<std::string> paths;
  std::string split;    // only lines whose "split" is this; "": all
  int64_t longest = 0;  // tokens of a prompt
};

struct PromptSet {
  std::vector<Prompt> prompts;
  int64_t bad_lines = 0;     // left out, as chat.on_bad_line says
  std::string first_fault;   // of the first of them
  int64_t too_long = 0;      // left out, as chat.on_too_long says
  uint64_t fingerprint = 0;  // differs when a prompt or their order does
};

// Reads files of prompts, a JSON object a line: {"prompt": "..."} or {"messages": [...]}, and optionally
// "class", "answer", "subject" and "split". Throws Error(kInput) naming file and line, or when no prompt is
// left.
PromptSet read_prompts(const PromptFiles& files, const data::ChatSettings& chat,
                       const data::ChatTemplate& form);

}  // namespace sextant::rlhf
