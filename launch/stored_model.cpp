#include "launch/stored_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include "launch/machine.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/generation/stop_tokens.h"
#include "trainer/state.h"

namespace sextant::launch {
namespace {

constexpr const char* kGenerationConfig = "generation_config.json";

// What an imported model brought; empty where it brought none.
std::string generation_config(const trainer::CheckpointReader& reader) {
  const auto& files = reader.manifest().files();
  bool kept = std::any_of(files.begin(), files.end(),
                          [](const auto& file) { return file.name() == kGenerationConfig; });
  return kept ? reader.side_file(kGenerationConfig) : "";
}

}  // namespace

StoredModel load_model(const std::filesystem::path& folder) {
  trainer::CheckpointReader reader(folder);
  share_out_threads(1);
  at::Device device = best_device();
  const trainer::Run& config = reader.manifest().config();
  trainer::Precision precision = trainer::precision_of(config.numerics().compute());
  auto model = std::make_unique<trainer::Transformer>(config.model(), trainer::NumericsSettings::none,
                                                      precision, device);
  trainer::restore_weights(reader, model->parameters());
  // Nothing is trained here: forward reads the values alone, and bf16 without masters takes a third of the
  // memory.
  for (const auto& parameter : model->parameters()) parameter->master = at::Tensor();
  auto tokenizer = data::Tokenizer::from_json(reader.side_file("tokenizer.json"),
                                              (reader.folder() / "tokenizer.json").string());
  auto stops = trainer::stop_tokens(tokenizer, generation_config(reader),
                                    (reader.folder() / kGenerationConfig).string());
  return {reader.folder(), std::move(model), std::move(tokenizer), std::move(stops)};
}

}  // namespace sextant::launch
