#pragma once

#include <string>
#include <vector>

namespace sextant::data {

enum class Role { kSystem, kUser, kAssistant };

// "system", "user", "assistant".
const char* name_of(Role role);

struct Message {
  Role role;
  std::string content;
  bool operator==(const Message&) const = default;
};

// What was said, in order; a system message only at the front.
using Conversation = std::vector<Message>;

// Throws Error(kInput) saying which message is wrong: a system message that is not the first, an assistant
// that says nothing or something but white space, none at all.
void check_conversation(const Conversation& conversation);

}  // namespace sextant::data
