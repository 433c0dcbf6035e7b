#include "trainer/evaluation/endpoint_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "parallel/base/error.h"
#include "parallel/base/seed.h"
#include "trainer/evaluation/generation_match.h"
#include "trainer/evaluation/multiple_choice.h"

namespace sextant::trainer {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kChat = "/chat/completions";
constexpr const char* kText = "/completions";
constexpr size_t kWordsShown = 300;  // bytes of a server's reply in a message

std::string dumped(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

// A server's own words in a message: one line, not for ever.
std::string in_one_line(std::string words) {
  for (char& c : words) c = static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  return words.size() <= kWordsShown ? words : words.substr(0, kWordsShown) + "...";
}

json messages_json(const Question& question) {
  json messages = json::array();
  for (const data::Message& message : question.messages)
    messages.push_back({{"role", data::name_of(message.role)}, {"content", message.content}});
  if (messages.empty()) messages.push_back({{"role", "user"}, {"content", question.text}});
  return messages;
}

// The text of a choice, of either interface.
std::string words_of(const json& choice, const std::string& where) {
  auto message = choice.find("message");
  bool chat = message != choice.end() && message->is_object();
  const json& holder = chat ? *message : choice;
  auto text = holder.find(chat ? "content" : "text");
  if (text != holder.end() && text->is_null()) return "";  // nothing was said
  if (text == holder.end() || !text->is_string())
    fail_environment(where + ": the reply's choice has no text; is this an OpenAI-compatible endpoint?");
  return text->get<std::string>();
}

bool ended_itself(const json& choice) {
  auto reason = choice.find("finish_reason");
  return reason != choice.end() && *reason == "stop";
}

}  // namespace

EndpointModel::EndpointModel(const Endpoint& settings) : settings_(settings) {
  while (settings_.url().ends_with('/')) settings_.mutable_url()->pop_back();
  manner_.timeout_seconds = settings.timeout_seconds();
  manner_.attempts = settings.attempts();
  manner_.at_a_time = settings.at_a_time();
  manner_.ca_file = settings.ca_file();
  if (!settings.has_key_variable()) return;
  const char* key = std::getenv(settings.key_variable().c_str());
  if (key == nullptr || *key == '\0') {
    fail_input(fmt::format("endpoint.key_variable: the environment has no {}; set it to the API key",
                           settings.key_variable()));
  }
  manner_.bearer = key;
  if (manner_.bearer.find_first_of("\r\n") != std::string::npos)
    fail_input(fmt::format("the API key in {} has more than one line", settings.key_variable()));
}

// Servers like to repeat a key that they refuse.
std::string EndpointModel::hidden(std::string text) const {
  const std::string& key = manner_.bearer;
  if (key.empty()) return text;
  for (size_t at = 0; (at = text.find(key, at)) != std::string::npos;) text.replace(at, key.size(), "***");
  return text;
}

json EndpointModel::choice_of(const HttpRequest& request, const HttpReply& reply) const {
  if (!reply.fault.empty())
    fail_environment(
        fmt::format("{}: {}, after {} attempts at most", request.url, reply.fault, manner_.attempts));
  json body = json::parse(reply.body, nullptr, false);
  if (reply.status != 200) {
    std::string words = reply.body;
    if (body.is_object() && body.contains("error") && body["error"].is_object())
      words = body["error"].contains("message") && body["error"]["message"].is_string()
                  ? body["error"]["message"].get<std::string>()
                  : words;
    std::string message =
        fmt::format("{}: status {}: {}", request.url, reply.status, in_one_line(hidden(words)));
    if (reply.status >= 500 || reply.status == 429 || reply.status == 408) fail_environment(message);
    fail_input(message);
  }
  bool whole = body.is_object() && body.contains("choices") && body["choices"].is_array() &&
               !body["choices"].empty() && body["choices"][0].is_object();
  if (!whole) {
    fail_environment(fmt::format("{}: the reply is no completion as OpenAI's interface has it: {}",
                                 request.url, in_one_line(hidden(reply.body))));
  }
  return std::move(body["choices"][0]);
}

std::vector<json> EndpointModel::choices_of(const std::vector<HttpRequest>& requests) const {
  std::vector<HttpReply> replies = post_all(requests, manner_);
  std::vector<json> choices;
  choices.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) choices.push_back(choice_of(requests[i], replies[i]));
  return choices;
}

std::string EndpointModel::path_of(const Question& question) const {
  bool text = question.messages.empty() && settings_.texts() == Endpoint::completions;
  return settings_.url() + (text ? kText : kChat);
}

json EndpointModel::question_body(const Question& question, const WritingRules& rules, int64_t sample) const {
  json body{{"model", settings_.model()}, {"max_tokens", rules.tokens}, {"temperature", rules.temperature}};
  if (path_of(question).ends_with(kChat)) {
    body["messages"] = messages_json(question);
  } else {
    body["prompt"] = question.text;
  }
  constexpr size_t kMostStops = 4;  // of OpenAI's interface; the rest is cut off here
  if (!rules.stop.empty())
    body["stop"] = std::vector<std::string>(
        rules.stop.begin(),
        rules.stop.begin() + static_cast<std::ptrdiff_t>(std::min(kMostStops, rules.stop.size())));
  if (rules.temperature > 0) {
    body["top_p"] = rules.top_p;
    RandomKey key(rules.seed, "endpoint");
    constexpr uint64_t kSeeds = uint64_t{1} << 31;
    body["seed"] = key.below(kSeeds, static_cast<uint64_t>(question.index), static_cast<uint64_t>(sample));
  }
  return body;
}

std::vector<Answered> EndpointModel::write(const std::vector<Question>& questions,
                                           const WritingRules& rules) {
  std::vector<HttpRequest> requests;
  for (const Question& question : questions) {
    for (int64_t sample = 0; sample < rules.samples; ++sample)
      requests.push_back({path_of(question), dumped(question_body(question, rules, sample))});
  }
  std::vector<json> choices = choices_of(requests);
  std::vector<Answered> all;
  size_t at = 0;
  for (const Question& question : questions) {
    Answered answered;
    if (question.messages.empty()) {
      answered.given["prompt"] = question.text;
    } else {
      answered.given["messages"] = messages_json(question);
    }
    for (int64_t sample = 0; sample < rules.samples; ++sample, ++at) {
      std::string said = words_of(choices[at], requests[at].url), text = before_stop(said, rules.stop);
      bool ended = ended_itself(choices[at]) || text.size() < said.size();
      answered.answers.push_back({text, {{"completion", text}, {"ended", ended}}});
    }
    all.push_back(std::move(answered));
  }
  return all;
}

json EndpointModel::echo_body(const std::string& text) const {
  // One new token, which is not looked at: some servers refuse none.
  return {{"model", settings_.model()}, {"prompt", text}, {"max_tokens", 1},
          {"temperature", 0},           {"echo", true},   {"logprobs", 1}};
}

std::vector<std::vector<OptionScore>> EndpointModel::score(const std::vector<const EvalItem*>& items) {
  std::vector<std::vector<OptionScore>> scores;
  scores.reserve(items.size());
  for (const EvalItem* item : items) scores.push_back(score_options(*item));
  return scores;
}

std::vector<OptionScore> EndpointModel::score_options(const EvalItem& item) const {
  std::vector<HttpRequest> requests;
  requests.reserve(item.options.size());
  for (const EvalOption& option : item.options)
    requests.push_back({settings_.url() + kText, dumped(echo_body(option.context + option.continuation))});
  std::vector<json> choices = choices_of(requests);
  std::vector<OptionScore> scores;
  for (size_t i = 0; i < item.options.size(); ++i) {
    const EvalOption& option = item.options[i];
    EchoedTokens tokens = echoed_tokens(choices[i], requests[i].url);
    int64_t from = characters_in(option.context), to = from + characters_in(option.continuation);
    OptionScore score;
    int64_t measured = 0;
    for (size_t t = 0; t < tokens.begins.size(); ++t) {
      // A token over the border is the continuation's, as it is where both are encoded as one text.
      int64_t end = t + 1 < tokens.begins.size() ? tokens.begins[t + 1] : to + 1;
      if (end <= from || tokens.begins[t] >= to || std::isnan(tokens.log_probabilities[t])) continue;
      score.log_likelihood += tokens.log_probabilities[t];
      score.greedy = score.greedy && tokens.likeliest[t];
      ++measured;
    }
    require(measured > 0, requests[i].url + ": no token of the reply belongs to the option's continuation");
    if (i == 0 || option.context != item.options[0].context) score.seen["context"] = option.context;
    score.seen.update(ordered_json{{"continuation", option.continuation},
                                   {"tokens", measured},
                                   {"characters", characters_in(option.text)},
                                   {"log_likelihood", score.log_likelihood},
                                   {"greedy", score.greedy}});
    scores.push_back(std::move(score));
  }
  return scores;
}

DocumentScore EndpointModel::read(const std::string& text, int64_t stride) {
  expect(stride == 0, "no windows at an endpoint");
  std::vector<HttpRequest> requests{{settings_.url() + kText, dumped(echo_body(text))}};
  EchoedTokens tokens = echoed_tokens(choices_of(requests)[0], requests[0].url);
  DocumentScore score;
  for (size_t t = 0; t < tokens.begins.size(); ++t) {
    if (tokens.begins[t] >= characters_in(text) || std::isnan(tokens.log_probabilities[t])) continue;
    score.log_likelihood += tokens.log_probabilities[t];
    ++score.tokens;
  }
  return score;
}

EchoedTokens echoed_tokens(const json& choice, const std::string& where) {
  auto found = choice.find("logprobs");
  bool there = found != choice.end() && found->is_object() && found->contains("token_logprobs") &&
               found->contains("text_offset") && (*found)["token_logprobs"].is_array() &&
               (*found)["text_offset"].is_array() &&
               (*found)["token_logprobs"].size() == (*found)["text_offset"].size();
  require(there, where +
                     ": this endpoint gives no log-probabilities of a prompt (completions with echo and "
                     "logprobs); tasks of likelihoods need one that does, or a checkpoint");
  EchoedTokens tokens;
  const json& lps = (*found)["token_logprobs"];
  json none = json::array();
  const json& tops = found->contains("top_logprobs") && (*found)["top_logprobs"].is_array()
                         ? (*found)["top_logprobs"]
                         : none;
  for (size_t i = 0; i < lps.size(); ++i) {
    const json& begins = (*found)["text_offset"][i];
    bool number = lps[i].is_number() && std::isfinite(lps[i].get<double>());
    require((lps[i].is_null() || number) && begins.is_number_integer(),
            where + ": a log-probability or offset of the reply is no number");
    double value = number ? lps[i].get<double>() : std::numeric_limits<double>::quiet_NaN();
    bool likeliest = true;
    if (number && i < tops.size() && tops[i].is_object()) {
      for (const auto& [token, other] : tops[i].items())
        likeliest = likeliest && (!other.is_number() || other.get<double>() <= value);
    }
    tokens.log_probabilities.push_back(value);
    tokens.likeliest.push_back(likeliest);
    tokens.begins.push_back(begins.get<int64_t>());
  }
  return tokens;
}

}  // namespace sextant::trainer
