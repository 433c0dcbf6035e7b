#include "data/chat/chat_template.h"

#include <fmt/format.h>

#include "data/chat/known_templates.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

using Form = ChatSettings::Template;

std::string_view trimmed_content(std::string_view text) {
  constexpr std::string_view kAround = " \t\r\n\v\f";
  size_t begin = text.find_first_not_of(kAround);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kAround) - begin + 1);
}

Form form_for(const Tokenizer& tokenizer) {
  if (tokenizer.special("<|im_start|>") && tokenizer.special("<|im_end|>")) return ChatSettings::chatml;
  if (tokenizer.special("<|start_header_id|>") && tokenizer.special("<|eot_id|>"))
    return ChatSettings::llama3;
  return ChatSettings::plain;
}

const char* plain_name(Role role) {
  switch (role) {
    case Role::kSystem:
      return "System:";
    case Role::kUser:
      return "User:";
    case Role::kAssistant:
      return "Assistant:";
  }
  return "";
}

}  // namespace

// Collects text until something cuts it.
class ChatTemplate::Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void text(std::string_view more) { text_ += more; }
  void special(int32_t id) {
    cut();
    add(id);
  }
  // What comes after is said by the assistant, or by others.
  void speaker(Role role) {
    bool assistant = role == Role::kAssistant;
    if (assistant != assistant_) cut();
    assistant_ = assistant;
  }
  ChatTokens take() {
    cut();
    return std::move(tokens_);
  }

 private:
  const Tokenizer& tokenizer_;
  ChatTokens tokens_;
  std::string text_;
  bool assistant_ = false;

  void add(int32_t id) {
    tokens_.ids.push_back(id);
    tokens_.said.push_back(assistant_ ? 1 : 0);
  }
  void cut() {
    for (int32_t id : tokenizer_.encode(text_)) add(id);
    text_.clear();
  }
};

ChatTemplate::ChatTemplate(const ChatSettings& settings, const Tokenizer& tokenizer, std::string_view brought)
    : tokenizer_(tokenizer), form_(settings.template_()), system_(settings.system()) {
  if (form_ == ChatSettings::automatic && !brought.empty()) {
    KnownTemplate known = known_template(brought);
    form_ = known.form;
    if (!settings.has_system()) system_ = known.system;
  } else if (form_ == ChatSettings::automatic) {
    form_ = form_for(tokenizer);
  }
  switch (form_) {
    case ChatSettings::chatml:
      special("<|im_start|>");
      end_of_turn_ = special("<|im_end|>");
      break;
    case ChatSettings::llama3:
      special("<|start_header_id|>");
      special("<|end_header_id|>");
      end_of_turn_ = special("<|eot_id|>");
      break;
    default:
      if (!tokenizer.end_of_text())
        fail_input("the plain chat template ends answers with the tokenizer's end of text, and it has none");
      end_of_turn_ = *tokenizer.end_of_text();
  }
}

int32_t ChatTemplate::special(std::string_view text) const {
  std::optional<int32_t> id = tokenizer_.special(text);
  if (!id) {
    fail_input(
        fmt::format("the tokenizer has no special token {}, which the chat template {} needs; set "
                    "chat.template=plain",
                    text, ChatSettings::Template_Name(form_)));
  }
  return *id;
}

void ChatTemplate::write_head(Writer& out, Role role) const {
  switch (form_) {
    case ChatSettings::chatml:
      out.special(special("<|im_start|>"));
      return out.text(fmt::format("{}\n", name_of(role)));
    case ChatSettings::llama3:
      out.special(special("<|start_header_id|>"));
      out.text(name_of(role));
      out.special(special("<|end_header_id|>"));
      return out.text("\n\n");
    default:
      return out.text(plain_name(role));
  }
}

void ChatTemplate::write_said(Writer& out, const Message& message) const {
  if (form_ == ChatSettings::chatml) return out.text(message.content);
  if (form_ == ChatSettings::plain) out.text(" ");
  out.text(trimmed_content(message.content));
}

// The assistant's end of turn is its own; what follows it to keep turns apart is not.
void ChatTemplate::write_tail(Writer& out, Role role) const {
  bool assistant = role == Role::kAssistant;
  if (form_ != ChatSettings::plain || assistant) out.special(end_of_turn_);
  if (assistant) out.speaker(Role::kUser);
  if (form_ == ChatSettings::chatml) out.text("\n");
  if (form_ == ChatSettings::plain && !assistant) out.text("\n\n");
}

void ChatTemplate::write_message(Writer& out, const Message& message) const {
  write_head(out, message.role);
  out.speaker(message.role);
  write_said(out, message);
  write_tail(out, message.role);
}

ChatTemplate::Writer ChatTemplate::opened(const Conversation& conversation) const {
  Writer out(tokenizer_);
  for (int32_t id : tokenizer_.opening()) out.special(id);
  bool has_system = !conversation.empty() && conversation[0].role == Role::kSystem;
  if (!has_system && !system_.empty()) write_message(out, {Role::kSystem, system_});
  for (const Message& message : conversation) write_message(out, message);
  return out;
}

ChatTokens ChatTemplate::render(const Conversation& conversation) const {
  return opened(conversation).take();
}

std::vector<int32_t> ChatTemplate::prompt(const Conversation& conversation) const {
  Writer out = opened(conversation);
  write_head(out, Role::kAssistant);
  return out.take().ids;
}

std::vector<int32_t> ChatTemplate::answer(std::string_view text) const {
  Writer out(tokenizer_);
  out.speaker(Role::kAssistant);
  write_said(out, {Role::kAssistant, std::string(text)});
  out.special(end_of_turn_);
  return out.take().ids;
}

}  // namespace sextant::data
