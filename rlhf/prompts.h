#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "rlhf/ppo.pb.h"

namespace sextant::rlhf {

// What the policy is asked.
struct Prompt {
  std::vector<int32_t> ids;  // up to where the assistant begins to speak
  std::string text;          // what the last message says
  std::string kind;          // "class" of the line, or ""
  std::string answer;        // of the line, or ""
};

struct PromptSet {
  std::vector<Prompt> prompts;
  int64_t bad_lines = 0;     // left out, as chat.on_bad_line says
  std::string first_fault;   // of the first of them
  int64_t too_long = 0;      // left out, as chat.on_too_long says
  uint64_t fingerprint = 0;  // differs when a prompt or their order does
};

// Reads files of prompts, a JSON object a line: {"prompt": "..."} or {"messages": [...]}, and optionally
// "class" and "answer". A prompt has at most `longest` tokens. Throws Error(kInput) naming file and line, or
// when no prompt is left.
PromptSet read_prompts(const PpoSettings& settings, const data::ChatSettings& chat,
                       const data::ChatTemplate& form, int64_t longest);

}  // namespace sextant::rlhf
