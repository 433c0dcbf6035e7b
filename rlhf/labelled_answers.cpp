#include "rlhf/labelled_answers.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "data/chat/conversations.h"
#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

// Text, or what the one message of a list says.
std::string said_under(const nlohmann::json& object, const char* key) {
  if (!object.at(key).is_array()) return data::text_under(object, key);
  data::Conversation messages = data::messages_of(object.at(key));
  require(messages.size() == 1, fmt::format("\"{}\" is {} messages, not one", key, messages.size()));
  return messages[0].content;
}

LabelledAnswer answer_of(const nlohmann::json& object) {
  LabelledAnswer answer;
  const char* key = object.contains("response") ? "response" : "completion";
  require(object.contains(key), R"(the object has neither "response" nor "completion")");
  answer.episode.set_prompt_text(data::prompt_of(object).back().content);
  answer.episode.set_response_text(said_under(object, key));
  answer.episode.set_ended(true);
  if (object.contains("class")) answer.episode.set_prompt_class(data::text_under(object, "class"));
  auto labels = object.find(object.contains("labels") ? "labels" : "propositions");
  require(labels != object.end() && labels->is_object() && !labels->empty(),
          R"(the object has neither "labels" nor "propositions": names with true, false or a letter)");
  for (const auto& [name, value] : labels->items()) {
    require(value.is_boolean() || value.is_string(),
            fmt::format("the label \"{}\" is neither true nor false nor a letter", name));
    if (value.is_boolean()) {
      answer.labels[name] = value.get<bool>();
    } else {
      answer.labels[name] = value.get<std::string>();
    }
  }
  return answer;
}

}  // namespace

data::LineCounts read_labelled_answers(const std::filesystem::path& path,
                                       data::ChatSettings::Fault on_bad_line,
                                       std::vector<LabelledAnswer>& answers) {
  return data::each_object(path, on_bad_line,
                           [&](const nlohmann::json& object) { answers.push_back(answer_of(object)); });
}

}  // namespace sextant::rlhf
