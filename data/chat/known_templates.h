#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/chat/chat.pb.h"

namespace sextant::data {

// A Jinja chat template that does what one of ours does.
struct KnownTemplate {
  ChatSettings::Template form = ChatSettings::automatic;
  std::string system;  // message of conversations that have none; "" for none
};

// Recognises a published template by its text, white space and quotes aside: ChatML, with a system message of
// its own or without (SmolLM2, Qwen 2), and Llama 3. Nothing is run. Throws Error(kInput) for any other.
KnownTemplate known_template(std::string_view jinja);

// The chat template beside a tokenizer: chat_template.jinja, or "chat_template" of a tokenizer_config.json,
// in the folder itself or that of the file. "" without one. Throws Error(kInput) for a damaged file.
std::string brought_template(const std::filesystem::path& tokenizer);

// The same from the text of a tokenizer_config.json; `origin` names it in messages.
std::string template_of_config(std::string_view tokenizer_config, const std::string& origin);

}  // namespace sextant::data
