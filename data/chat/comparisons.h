#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/chat/conversation.h"
#include "data/chat/object_lines.h"

namespace sextant::data {

// One answer to a prompt, and its place among the others.
struct Answer {
  std::string text;
  double rank = 0;  // smaller is better; equal ranks are ties
};

// Answers to one prompt, compared by somebody.
struct Comparison {
  Conversation prompt;
  std::vector<Answer> answers;
  std::string kind;   // "class" of the line, or ""
  double margin = 0;  // by how much a better answer should score above a worse one, at least
};

// Comparisons of a JSON Lines file, an object a line, packed or not:
//   {"prompt": "..." or a list of messages, "chosen": "...", "rejected": "..."[, "margin": 0.5]}
//   {"chosen": "\n\nHuman: ...", "rejected": "\n\nHuman: ..."}: HH transcripts, alike up to the last answer
//   {"prompt": ..., "responses": ["...", ...], "ranks": [1, 2, ...]}: the smallest rank is the best
// and optionally "class". Other keys are passed over. At least two answers, not all of the same rank.
LineCounts read_comparisons(const std::filesystem::path& path, ChatSettings::Fault on_bad_line,
                            const std::function<void(Comparison)>& take);

// The comparison that a line's object holds. Throws Error(kInput).
Comparison comparison_of(const nlohmann::json& object);

}  // namespace sextant::data
