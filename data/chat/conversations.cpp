#include "data/chat/conversations.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/documents.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

std::string trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1));
}

Role role_named(const std::string& name) {
  for (Role role : {Role::kSystem, Role::kUser, Role::kAssistant}) {
    if (name == name_of(role)) return role;
  }
  fail_input(fmt::format("\"{}\" is no role; roles are system, user and assistant", name.substr(0, 40)));
}

// Where a turn of a transcript begins, and where its text does.
struct Turn {
  Role role;
  size_t begin, text;
};

std::vector<Turn> turns_of(std::string_view transcript) {
  constexpr std::pair<std::string_view, Role> kMarks[] = {{"\n\nHuman:", Role::kUser},
                                                          {"\n\nAssistant:", Role::kAssistant}};
  std::vector<Turn> turns;
  for (size_t at = transcript.find("\n\n"); at != std::string_view::npos;
       at = transcript.find("\n\n", at + 1)) {
    for (const auto& [mark, role] : kMarks) {
      if (transcript.substr(at).starts_with(mark)) turns.push_back({role, at, at + mark.size()});
    }
  }
  return turns;
}

}  // namespace

Conversation messages_of(const nlohmann::json& messages) {
  require(messages.is_array(), "\"messages\" is no list");
  Conversation conversation;
  for (const auto& message : messages) {
    require(message.is_object(), "\"messages\" holds something that is no object with role and content");
    conversation.push_back({role_named(text_under(message, "role")), text_under(message, "content")});
  }
  return conversation;
}

Conversation prompt_of(const nlohmann::json& object) {
  auto found = object.find("prompt");
  if (found != object.end() && found->is_array()) return messages_of(*found);
  return {{Role::kUser, text_under(object, "prompt")}};
}

Conversation parse_transcript(std::string_view transcript) {
  std::vector<Turn> turns = turns_of(transcript);
  if (turns.empty() || has_text(transcript.substr(0, turns[0].begin)))
    fail_input(R"(the transcript does not begin with "\n\nHuman: " or "\n\nAssistant: ")");
  Conversation conversation;
  for (size_t i = 0; i < turns.size(); ++i) {
    size_t end = i + 1 < turns.size() ? turns[i + 1].begin : transcript.size();
    conversation.push_back({turns[i].role, trimmed(transcript.substr(turns[i].text, end - turns[i].text))});
  }
  return conversation;
}

Conversation conversation_of(const nlohmann::json& object) {
  Conversation conversation;
  if (auto messages = object.find("messages"); messages != object.end()) {
    conversation = messages_of(*messages);
  } else if (object.contains("response")) {
    conversation = {{Role::kUser, text_under(object, "prompt")},
                    {Role::kAssistant, text_under(object, "response")}};
  } else if (object.contains("chosen")) {
    conversation = parse_transcript(text_under(object, "chosen"));
  } else {
    fail_input(R"(the object has neither "messages", nor "prompt" and "response", nor "chosen")");
  }
  check_conversation(conversation);
  require(conversation.back().role == Role::kAssistant, "the last message is not the assistant's");
  return conversation;
}

LineCounts read_conversations(const std::filesystem::path& path, ChatSettings::Fault on_bad_line,
                              const std::function<void(Conversation)>& take) {
  return each_object(path, on_bad_line, [&](const nlohmann::json& object) { take(conversation_of(object)); });
}

}  // namespace sextant::data
