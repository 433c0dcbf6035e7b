#include "data/chat/conversation.h"

#include <fmt/format.h>

#include "data/documents.h"
#include "parallel/base/error.h"

namespace sextant::data {

const char* name_of(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
  }
  return "";
}

void check_conversation(const Conversation& conversation) {
  require(!conversation.empty(), "there are no messages");
  for (size_t i = 0; i < conversation.size(); ++i) {
    const Message& message = conversation[i];
    if (message.role == Role::kSystem && i > 0)
      fail_input(fmt::format("message {} is the system's; it may only be the first", i + 1));
    if (message.role == Role::kAssistant && !has_text(message.content))
      fail_input(fmt::format("message {}, the assistant's, is empty", i + 1));
  }
}

}  // namespace sextant::data
