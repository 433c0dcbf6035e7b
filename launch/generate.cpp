#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/durable_file.h"
#include "launch/commands.h"
#include "launch/stored_model.h"
#include "parallel/base/error.h"
#include "trainer/generation/generate.h"

namespace sextant::launch {
namespace {

struct GenerateOptions {
  std::string checkpoint;
  std::vector<std::string> prompts;
  std::string prompts_file;
  trainer::GenerationSettings settings;
  bool ignore_end = false;
  bool speed = false;
  bool json = false;
};

std::vector<std::string> all_prompts(const GenerateOptions& options) {
  std::vector<std::string> prompts = options.prompts;
  if (!options.prompts_file.empty()) {
    std::string text = data::read_file(options.prompts_file);
    for (size_t begin = 0; begin < text.size();) {
      size_t end = std::min(text.find('\n', begin), text.size());
      if (end > begin) prompts.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  require(!prompts.empty(), "no prompt; give --prompt TEXT (more than once for a batch) or --prompts FILE");
  return prompts;
}

// Ids as text; rows that pad the embedding stand for none.
std::string decode(const data::Tokenizer& tokenizer, std::vector<int32_t> ids) {
  std::erase_if(ids, [&](int32_t id) { return id >= tokenizer.vocabulary(); });
  return tokenizer.decode(ids);
}

void print_json(const StoredModel& stored, const std::vector<std::string>& prompts,
                const std::vector<std::vector<int32_t>>& prompt_ids,
                const std::vector<trainer::Completion>& completions) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    nlohmann::ordered_json line{{"prompt", prompts[i]},
                                {"text", decode(stored.tokenizer, completions[i].ids)},
                                {"prompt_ids", prompt_ids[i]},
                                {"ids", completions[i].ids},
                                {"log_probabilities", completions[i].log_probabilities},
                                {"ended", completions[i].ended}};
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
}

void print_speed(const trainer::GenerationSpeed& speed) {
  auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  std::fputs(fmt::format(
                 "prompts: {} tokens in {:.3f} s, {:.1f} tokens/s; after them: {} tokens in {:.3f} s, "
                 "{:.1f} tokens/s\n",
                 speed.prompt_tokens, speed.prompt_seconds, rate(speed.prompt_tokens, speed.prompt_seconds),
                 speed.decoded_tokens, speed.decode_seconds, rate(speed.decoded_tokens, speed.decode_seconds))
                 .c_str(),
             stderr);
}

void generate(const GenerateOptions& options) {
  std::vector<std::string> prompts = all_prompts(options);
  StoredModel stored = load_model(options.checkpoint);
  std::vector<std::vector<int32_t>> ids;
  ids.reserve(prompts.size());
  for (const std::string& prompt : prompts) ids.push_back(prompt_ids(stored, prompt));
  trainer::GenerationSettings settings = options.settings;
  if (!options.ignore_end) settings.stop_tokens = stored.stop_tokens;
  // One prompt streams token by token; several are printed whole, one after the other.
  bool stream = prompts.size() == 1 && !options.json;
  trainer::TokenCallback on_token;
  if (stream) {
    std::fwrite(prompts[0].data(), 1, prompts[0].size(), stdout);
    on_token = [&](size_t, int32_t id) {
      const auto& stops = settings.stop_tokens;
      if (std::find(stops.begin(), stops.end(), id) != stops.end()) return;
      std::string piece = decode(stored.tokenizer, {id});
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
  }
  trainer::GenerationSpeed speed;
  auto completions = trainer::generate(*stored.model, ids, settings, on_token, &speed);
  if (stream) std::printf("\n");
  if (options.speed) print_speed(speed);
  if (options.json) return print_json(stored, prompts, ids, completions);
  if (stream) return;
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (completions[i].ended) completions[i].ids.pop_back();
    std::string text = prompts[i] + decode(stored.tokenizer, completions[i].ids);
    std::printf("%s\n%s", text.c_str(), i + 1 < prompts.size() ? "\n" : "");
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Continue prompts with a model out of a checkpoint");
  command->add_option("--checkpoint", options->checkpoint, "Step folder, or a run folder for its newest")
      ->required();
  command->add_option("--prompt", options->prompts, "Text to continue; several make a batch");
  command->add_option("--prompts", options->prompts_file, "File with a prompt a line");
  command->add_option("--tokens", options->settings.tokens, "Tokens after each prompt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  auto& sampling = options->settings.sampling;
  command->add_option("--temperature", sampling.temperature, "0 takes the likeliest token each time")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--top-k", sampling.top_k, "Draw from the k likeliest; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--top-p", sampling.top_p, "Draw from the likeliest whose shares reach p")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--rows", options->settings.rows,
                   "Prompts side by side; where one ends, the next takes its place")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", options->settings.seed, "Equal seeds draw equal texts")
      ->capture_default_str();
  command->add_flag("--ignore-end", options->ignore_end, "Go on after the end-of-text token");
  command->add_flag("--json", options->json, "A JSON object a prompt: text, ids, log-probabilities");
  command->add_flag("--speed", options->speed,
                    "Tokens a second, on stderr: reading the prompts, and after them");
  command->footer(
      "Example: sextant generate --checkpoint runs/quickstart/pretrain --prompt \"Cat \" --tokens 40");
  command->callback([options] { generate(*options); });
}

}  // namespace sextant::launch
