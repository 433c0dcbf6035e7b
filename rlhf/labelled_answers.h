#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "data/chat/object_lines.h"
#include "rlhf/experience.pb.h"

namespace sextant::rlhf {

// An answer of which somebody has said what it is: a statement's truth, or a question's letter.
struct LabelledAnswer {
  Episode episode;  // class and texts alone
  std::map<std::string, std::variant<bool, std::string>> labels;
};

// Labelled answers of a JSON Lines file, an object a line, packed or not:
//   {"prompt": "..." or a list of messages, "response": "...", "labels": {"NAME": true, "OTHER": "B", ...}}
//   {"prompt": ..., "completion": "..." or a list of one message, "propositions": {...}}: the form of
//   OpenAI's labelled answers for rule-based rewards (Mu et al. 2024)
// and optionally "class". Other keys are passed over.
data::LineCounts read_labelled_answers(const std::filesystem::path& path,
                                       data::ChatSettings::Fault on_bad_line,
                                       std::vector<LabelledAnswer>& answers);

}  // namespace sextant::rlhf
