#include "data/chat/comparisons.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/chat/conversations.h"
#include "data/documents.h"

namespace sextant::data {
namespace {

constexpr size_t kMostAnswers = 64;

double finite_number(const nlohmann::json& value, const char* what) {
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    fail_input(fmt::format("{} is no finite number", what));
  return value.get<double>();
}

// Two transcripts that differ in what the assistant says last.
Comparison transcripts_of(const nlohmann::json& object) {
  Conversation better = parse_transcript(text_under(object, "chosen"));
  Conversation worse = parse_transcript(text_under(object, "rejected"));
  require(better.back().role == Role::kAssistant && worse.back().role == Role::kAssistant,
          "\"chosen\" and \"rejected\" do not both end with the assistant");
  Comparison comparison;
  comparison.answers = {{better.back().content, 0}, {worse.back().content, 1}};
  better.pop_back();
  worse.pop_back();
  require(better == worse, "\"chosen\" and \"rejected\" differ before the last answer");
  comparison.prompt = std::move(better);
  return comparison;
}

Comparison ranking_of(const nlohmann::json& object) {
  Comparison comparison;
  comparison.prompt = prompt_of(object);
  const auto& responses = object.at("responses");
  auto ranks = object.find("ranks");
  require(
      ranks != object.end() && ranks->is_array() && responses.is_array() && ranks->size() == responses.size(),
      "\"responses\" and \"ranks\" are not two lists of the same length");
  for (size_t i = 0; i < responses.size(); ++i) {
    require(responses[i].is_string(), "\"responses\" holds something that is no text");
    comparison.answers.push_back({responses[i].get<std::string>(), finite_number((*ranks)[i], "a rank")});
  }
  return comparison;
}

Comparison pair_of(const nlohmann::json& object) {
  Comparison comparison;
  comparison.prompt = prompt_of(object);
  comparison.answers = {{text_under(object, "chosen"), 0}, {text_under(object, "rejected"), 1}};
  if (auto margin = object.find("margin"); margin != object.end())
    comparison.margin = finite_number(*margin, "\"margin\"");
  return comparison;
}

void check_comparison(const Comparison& comparison) {
  check_conversation(comparison.prompt);
  const auto& answers = comparison.answers;
  if (answers.size() < 2 || answers.size() > kMostAnswers)
    fail_input(
        fmt::format("there are {} answers; from 2 to {} can be compared", answers.size(), kMostAnswers));
  auto same_rank = [&](const Answer& answer) { return answer.rank == answers[0].rank; };
  require(!std::all_of(answers.begin(), answers.end(), same_rank), "all answers have the same rank");
  for (const Answer& answer : answers) {
    require(has_text(answer.text), "an answer is empty");
    for (const Answer& other : answers) {
      require(answer.text != other.text || answer.rank == other.rank,
              "the same answer is better and worse than itself");
    }
  }
}

}  // namespace

Comparison comparison_of(const nlohmann::json& object) {
  Comparison comparison;
  if (object.contains("responses")) {
    comparison = ranking_of(object);
  } else if (object.contains("prompt")) {
    comparison = pair_of(object);
  } else if (object.contains("chosen") && object.contains("rejected")) {
    comparison = transcripts_of(object);
  } else {
    fail_input(
        R"(the object has neither "prompt" with "chosen" and "rejected" or with "responses" and "ranks", )"
        R"(nor transcripts in "chosen" and "rejected")");
  }
  if (object.contains("class")) comparison.kind = text_under(object, "class");
  check_comparison(comparison);
  return comparison;
}

LineCounts read_comparisons(const std::filesystem::path& path, ChatSettings::Fault on_bad_line,
                            const std::function<void(Comparison)>& take) {
  return each_object(path, on_bad_line, [&](const nlohmann::json& object) { take(comparison_of(object)); });
}

}  // namespace sextant::data
