#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/evaluation/eval.pb.h"
#include "trainer/evaluation/eval_model.h"
#include "trainer/evaluation/http_exchange.h"

namespace sextant::trainer {

// A model that somebody serves through OpenAI's interface: conversations by /chat/completions, texts by it or
// by /completions, likelihoods by /completions with echo and logprobs, where the server has them. What it
// answers is the server's to keep equal from run to run. No collectives: each rank asks for itself.
class EndpointModel : public EvalModel {
 public:
  // Reads the API key out of the environment variable that the settings name; it is in no record, message or
  // file. Throws Error(kInput) where the variable is not set.
  explicit EndpointModel(const Endpoint& settings);

  // Throw Error(kEnvironment) where the server gives no answer, and Error(kInput) with its own words where it
  // refuses one.
  std::vector<Answered> write(const std::vector<Question>& questions, const WritingRules& rules) override;
  std::vector<std::vector<OptionScore>> score(const std::vector<const EvalItem*>& items) override;
  DocumentScore read(const std::string& text, int64_t stride) override;

 private:
  Endpoint settings_;
  HttpManner manner_;

  nlohmann::json question_body(const Question& question, const WritingRules& rules, int64_t sample) const;
  std::string path_of(const Question& question) const;
  nlohmann::json echo_body(const std::string& text) const;
  std::vector<OptionScore> score_options(const EvalItem& item) const;
  // The first choice of each reply.
  std::vector<nlohmann::json> choices_of(const std::vector<HttpRequest>& requests) const;
  nlohmann::json choice_of(const HttpRequest& request, const HttpReply& reply) const;
  std::string hidden(std::string text) const;
};

// A text's tokens as /completions echoes them.
struct EchoedTokens {
  std::vector<double> log_probabilities;  // NaN where the server knows none: of the first
  std::vector<bool> likeliest;            // where it stands; true where the server does not say
  std::vector<int64_t> begins;            // in characters (Unicode) of the text
};

// Reads choices[0] of such a reply. Throws Error(kInput) where it has no log-probabilities.
EchoedTokens echoed_tokens(const nlohmann::json& choice, const std::string& where);

}  // namespace sextant::trainer
