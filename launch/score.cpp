#include "trainer/generation/score.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "data/durable_file.h"
#include "launch/commands.h"
#include "launch/stored_model.h"
#include "parallel/base/error.h"

namespace sextant::launch {
namespace {

struct ScoreOptions {
  std::string checkpoint;
  std::string file;
};

void score(const ScoreOptions& options) {
  std::string text = data::read_file(options.file);
  StoredModel stored = load_model(options.checkpoint);
  std::vector<int32_t> ids = prompt_ids(stored, text);
  require(ids.size() > 1, options.file + ": a text of at least two tokens is needed to score one");
  std::vector<double> scores = trainer::score(*stored.model, ids);
  double sum = 0;
  nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
  for (size_t i = 0; i < scores.size(); ++i) {
    sum += scores[i];
    tokens.push_back({{"id", ids[i + 1]},
                      {"text", stored.tokenizer.token_bytes(ids[i + 1])},
                      {"log_probability", scores[i]}});
  }
  nlohmann::ordered_json result{{"first_id", ids[0]},
                                {"tokens", tokens},
                                {"log_probability", sum},
                                {"loss", -sum / static_cast<double>(scores.size())}};
  std::printf("%s\n", result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace

void add_score(CLI::App& app) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* command = app.add_subcommand("score", "Print each token's log-probability of a text, as JSON");
  command->add_option("--checkpoint", options->checkpoint, "Step folder, or a run folder for its newest")
      ->required();
  command->add_option("file", options->file, "Text file")->required();
  command->footer("Example: sextant score --checkpoint runs/quickstart/pretrain README.md");
  command->callback([options] { score(*options); });
}

}  // namespace sextant::launch
