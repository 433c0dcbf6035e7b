#include "rlhf/prompts.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/chat/conversations.h"
#include "data/chat/object_lines.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::rlhf {
namespace {

std::string text_or_none(const nlohmann::json& object, const char* key) {
  return object.contains(key) ? data::text_under(object, key) : "";
}

data::Conversation asked(const nlohmann::json& object) {
  if (!object.contains("messages")) return {{data::Role::kUser, data::text_under(object, "prompt")}};
  data::Conversation messages = data::messages_of(object.at("messages"));
  while (!messages.empty() && messages.back().role == data::Role::kAssistant) messages.pop_back();
  require(!messages.empty(), "holds no message to answer");
  return messages;
}

}  // namespace

PromptSet read_prompts(const PromptFiles& files, const data::ChatSettings& chat,
                       const data::ChatTemplate& form) {
  PromptSet set;
  data::LineCounts counts;
  for (const std::string& path : files.paths) {
    counts += data::each_object(path, chat.on_bad_line(), [&](const nlohmann::json& object) {
      if (!files.split.empty() && text_or_none(object, "split") != files.split) return;
      data::Conversation conversation = asked(object);
      Prompt prompt{form.prompt(conversation), conversation.back().content, text_or_none(object, "class"),
                    text_or_none(object, "answer"), text_or_none(object, "subject")};
      auto length = static_cast<int64_t>(prompt.ids.size());
      if (length > files.longest) {
        if (chat.on_too_long() == data::ChatSettings::refuse_conversation) {
          throw data::RefusedLine(
              fmt::format("the prompt has {} tokens, but model.context leaves {} beside {}.response_tokens; "
                          "shorten it, or set chat.on_too_long=skip",
                          length, files.longest, files.section));
        }
        ++set.too_long;
        return;
      }
      set.fingerprint = stable_hash(prompt.kind + "\n" + prompt.answer, set.fingerprint);
      for (int32_t id : prompt.ids) set.fingerprint = stable_hash(std::to_string(id) + " ", set.fingerprint);
      set.prompts.push_back(std::move(prompt));
    });
  }
  set.bad_lines = counts.left_out;
  set.first_fault = counts.first_fault;
  require(
      !set.prompts.empty(),
      fmt::format("{}.prompts: no prompt is left ({} lines were no prompts, {} were longer than {} tokens)",
                  files.section, set.bad_lines, set.too_long, files.longest));
  return set;
}

}  // namespace sextant::rlhf
