#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/chat/chat.pb.h"
#include "data/chat/conversation.h"
#include "data/tokenizer/tokenizer.h"

namespace sextant::data {

// A conversation as a model reads it.
struct ChatTokens {
  std::vector<int32_t> ids;
  std::vector<uint8_t> said;  // 1 where the id is one that the assistant said, its end of turn included
};

// Conversations to ids, in one of the forms of ChatSettings. What a message says is ordinary text: the text
// of a special token inside of it does not become that token, so that nobody speaks in another's name. Runs
// of text between special tokens are encoded as one, as Hugging Face's apply_chat_template has it, except
// where the assistant begins to speak and where it ends: these are cuts, since generation has them there.
// Copies what it needs of the tokenizer's settings and borrows the tokenizer. Any number of threads may call
// it.
class ChatTemplate {
 public:
  // `brought` is the chat template that came with the tokenizer, in Jinja (brought_template), or "". Throws
  // Error(kInput) when the tokenizer lacks a special token of the form, or brings a template that is none of
  // ours while the settings leave the choice to it.
  ChatTemplate(const ChatSettings& settings, const Tokenizer& tokenizer, std::string_view brought);

  // The whole conversation.
  ChatTokens render(const Conversation& conversation) const;
  // What stands before the assistant's next answer: a model goes on from here. render() of the conversation
  // with that answer begins with it.
  std::vector<int32_t> prompt(const Conversation& conversation) const;
  // The ids of an answer, its end of turn included.
  std::vector<int32_t> answer(std::string_view text) const;
  // The id that ends what the assistant says.
  int32_t end_of_turn() const { return end_of_turn_; }

  ChatSettings::Template form() const { return form_; }
  // The system message of conversations that have none; "" for none.
  const std::string& system() const { return system_; }

 private:
  class Writer;

  const Tokenizer& tokenizer_;
  ChatSettings::Template form_;
  std::string system_;
  int32_t end_of_turn_ = 0;

  int32_t special(std::string_view text) const;
  void write_head(Writer& out, Role role) const;
  void write_said(Writer& out, const Message& message) const;
  void write_tail(Writer& out, Role role) const;
  void write_message(Writer& out, const Message& message) const;
  Writer opened(const Conversation& conversation) const;
};

}  // namespace sextant::data
