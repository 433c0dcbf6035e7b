#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "data/chat/conversation.h"
#include "data/chat/object_lines.h"

namespace sextant::data {

// Conversations of a JSON Lines file, an object a line, packed or not. Of each line the first of these that
// it has:
//   {"messages": [{"role": "system|user|assistant", "content": "..."}, ...]}
//   {"prompt": "...", "response": "..."}
//   {"chosen": "\n\nHuman: ...\n\nAssistant: ..."}, as in HH; "rejected" beside it is not looked at
// Other keys are passed over. Each ends with something that the assistant says.
LineCounts read_conversations(const std::filesystem::path& path, ChatSettings::Fault on_bad_line,
                              const std::function<void(Conversation)>& take);

// The conversation that a line's object holds. Throws Error(kInput).
Conversation conversation_of(const nlohmann::json& object);

// The value of "messages". Throws Error(kInput).
Conversation messages_of(const nlohmann::json& messages);

// What stands under "prompt": text, which a user says, or a list of messages. Throws Error(kInput).
Conversation prompt_of(const nlohmann::json& object);

// A transcript of "\n\nHuman: " and "\n\nAssistant: " turns. White space around what is said is dropped.
// Throws Error(kInput) for text in front of the first turn.
Conversation parse_transcript(std::string_view transcript);

}  // namespace sextant::data
